"""
This part of the workflow says what was found: in words, and in the images that the chosen layers get wrong.

REQUIRED INPUTS: profile.csv, greedy.csv, selected.json and evaluation.csv of a task and backbone, and their finished runs.
OUTPUTS: results/<task>/<backbone>/answer.{md,html}, the tables as pages ({profile,greedy,evaluation}.html), classes.csv,
mistakes.csv, and results/figures/<task>/<backbone>/{confusion,confusion_cv,recalls,mistakes,mistakes_cv}.{svg,png}.
"""


rule answer:
    input:
        layers="results/backbones/{backbone}/layers.json",
        profile="results/{task}/{backbone}/profile.csv",
        greedy="results/{task}/{backbone}/greedy.csv",
        selected="results/{task}/{backbone}/selected.json",
        evaluation="results/{task}/{backbone}/evaluation.csv",
    output:
        markdown="results/{task}/{backbone}/answer.md",
        answer=report(
            "results/{task}/{backbone}/answer.html",
            caption="../workflow/report/answer.rst",
            category="Answer",
            labels={"task": "{task}", "backbone": "{backbone}"},
        ),
        profile=report(
            "results/{task}/{backbone}/profile.html",
            caption="../workflow/report/profile.rst",
            category="Profile",
            labels={"task": "{task}", "backbone": "{backbone}", "split": "cross-validation", "kind": "table"},
        ),
        greedy=report(
            "results/{task}/{backbone}/greedy.html",
            caption="../workflow/report/greedy.rst",
            category="Greedy-SubTuning",
            labels={"task": "{task}", "backbone": "{backbone}", "split": settings.greedy.split, "kind": "table"},
        ),
        evaluation=report(
            "results/{task}/{backbone}/evaluation.html",
            caption="../workflow/report/evaluation.rst",
            category="Comparison",
            labels={"task": "{task}", "backbone": "{backbone}", "split": "test", "kind": "table"},
        ),
    log:
        "results/logs/answer/{task}/{backbone}.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        recipe=settings.recipe,
        # Not compared, since it takes `input`: whatever of it counts has made a new table.
        settings=lambda wildcards, input: settings.all_settings(wildcards),
        command=lambda wildcards, input: this_command(),
        version=settings.version_of("answer"),
    shell:
        r"""
        subtuning answer \
            --task {wildcards.task} \
            --backbone {wildcards.backbone} \
            --recipe {params.recipe:q} \
            --settings {params.settings:q} \
            --command {params.command:q} \
            --out results/{wildcards.task}/{wildcards.backbone} \
            2>&1 | tee -i {log:q}
        """


rule errors:
    input:
        layers="results/backbones/{backbone}/layers.json",
        task="results/tasks/{task}/task.json",
        selected="results/{task}/{backbone}/selected.json",
        evaluation="results/{task}/{backbone}/evaluation.csv",
    output:
        classes="results/{task}/{backbone}/classes.csv",
        images="results/{task}/{backbone}/mistakes.csv",
        confusion=report(
            "results/figures/{task}/{backbone}/confusion.svg",
            caption="../workflow/report/errors.rst",
            category="Errors",
            labels={"figure": "what is taken for what", "task": "{task}", "backbone": "{backbone}", "split": "test"},
        ),
        recalls=report(
            "results/figures/{task}/{backbone}/recalls.svg",
            caption="../workflow/report/errors.rst",
            category="Errors",
            labels={"figure": "class by class", "task": "{task}", "backbone": "{backbone}", "split": "test"},
        ),
        mistakes=report(
            "results/figures/{task}/{backbone}/mistakes.svg",
            caption="../workflow/report/errors.rst",
            category="Errors",
            labels={"figure": "most confident mistakes", "task": "{task}", "backbone": "{backbone}", "split": "test"},
        ),
        confusion_cv=report(
            "results/figures/{task}/{backbone}/confusion_cv.svg",
            caption="../workflow/report/errors.rst",
            category="Errors",
            labels={
                "figure": "what is taken for what",
                "task": "{task}",
                "backbone": "{backbone}",
                "split": "held out",
            },
        ),
        mistakes_cv=report(
            "results/figures/{task}/{backbone}/mistakes_cv.svg",
            caption="../workflow/report/errors.rst",
            category="Errors",
            labels={
                "figure": "training images taken for another class",
                "task": "{task}",
                "backbone": "{backbone}",
                "split": "held out",
            },
        ),
        png=expand(
            "results/figures/{{task}}/{{backbone}}/{figure}.png",
            figure=["confusion", "recalls", "mistakes", "confusion_cv", "mistakes_cv"],
        ),
    log:
        "results/logs/errors/{task}/{backbone}.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        recipe=settings.recipe,
        settings=lambda wildcards, input: settings.all_settings(wildcards),
        version=settings.version_of("errors"),
    shell:
        r"""
        subtuning errors \
            --task {wildcards.task} \
            --backbone {wildcards.backbone} \
            --recipe {params.recipe:q} \
            --settings {params.settings:q} \
            --tables results/{wildcards.task}/{wildcards.backbone} \
            --out results/figures/{wildcards.task}/{wildcards.backbone} \
            2>&1 | tee -i {log:q}
        """
