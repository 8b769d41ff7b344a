"""
This part of the workflow makes the comparison on the untouched test set.

REQUIRED INPUTS: a converted task, a described backbone, the profile and the selected subset.
OUTPUTS: results/<task>/<backbone>/evaluation.csv.
This part includes the following steps: retrain every method on train + val with several seeds and test each run once, at
its last epoch; then write the table.
"""


rule train_evaluation:
    input:
        task="results/tasks/{task}/task.json",
        layers="results/backbones/{backbone}/layers.json",
        profile="results/{task}/{backbone}/profile.csv",
        selected="results/{task}/{backbone}/selected.json",
    output:
        "results/{task}/{backbone}/evaluation/runs.json",
    log:
        "results/logs/evaluation/{task}/{backbone}/runs.log",
    benchmark:
        "results/benchmarks/evaluation/{task}/{backbone}/runs.tsv"
    conda:
        "../environment.yml"
    threads: training_threads()
    resources:
        gpu=1,
        mem_mb=memory_mb,
        runtime=minutes,
    params:
        recipe=settings.recipe,
        seeds=f"--seeds {settings.evaluate.seeds}",
        folds=f"--folds {settings.profile.folds}",
        subsets=settings.subsets,
        numbers=f"numbers {settings.numbers}",
    shell:
        r"""
        subtuning evaluate \
            --task {wildcards.task} \
            --backbone {wildcards.backbone} \
            --recipe {params.recipe:q} \
            {params.seeds} \
            {params.folds} \
            --selected {input.selected:q} \
            --subsets {params.subsets:q} \
            --threads {threads} \
            --out {output:q} \
            2>&1 | tee -i {log:q}
        """


rule evaluation_table:
    input:
        runs="results/{task}/{backbone}/evaluation/runs.json",
        selected="results/{task}/{backbone}/selected.json",
    output:
        report(
            "results/{task}/{backbone}/evaluation.csv",
            caption="../workflow/report/evaluation.rst",
            category="Comparison",
            labels={"task": "{task}", "backbone": "{backbone}", "split": "test"},
        ),
    log:
        "results/logs/evaluation/{task}/{backbone}/table.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        recipe=settings.recipe,
        seeds=f"--seeds {settings.evaluate.seeds}",
        folds=f"--folds {settings.profile.folds}",
        subsets=settings.subsets,
        version=settings.version_of("tables"),
    shell:
        r"""
        subtuning evaluation-table \
            --task {wildcards.task} \
            --backbone {wildcards.backbone} \
            --recipe {params.recipe:q} \
            {params.seeds} \
            {params.folds} \
            --selected {input.selected:q} \
            --subsets {params.subsets:q} \
            --out {output:q} \
            2>&1 | tee -i {log:q}
        """
