"""
This part of the workflow draws the figures and gathers all tasks and backbones in tables.

REQUIRED INPUTS: profile.csv, greedy.csv and evaluation.csv of each task and backbone.
OUTPUTS: results/figures/<task>/<backbone>/*.{svg,png}, results/tables/{summary,comparison}.{csv,md,tex}; of several tasks or
backbones results/figures/profiles.{svg,png}, of several tasks results/figures/profiles_<backbone>.{svg,png}; of at least
three tasks x backbones results/tables/ranks.{csv,md,tex} and results/figures/ranks.{svg,png}; of tasks that are draws of one
source (`train_images`), results/tables/sizes.{csv,md,tex} and results/figures/sizes.{svg,png}.
"""


rule draw_figures:
    input:
        layers="results/backbones/{backbone}/layers.json",
        profile="results/{task}/{backbone}/profile.csv",
        greedy="results/{task}/{backbone}/greedy.csv",
        evaluation="results/{task}/{backbone}/evaluation.csv",
    output:
        profile=report(
            "results/figures/{task}/{backbone}/profile.svg",
            caption="../workflow/report/profile.rst",
            category="Profile",
            labels={"task": "{task}", "backbone": "{backbone}", "split": "cross-validation", "kind": "figure"},
        ),
        greedy=report(
            "results/figures/{task}/{backbone}/greedy.svg",
            caption="../workflow/report/greedy.rst",
            category="Greedy-SubTuning",
            labels={"task": "{task}", "backbone": "{backbone}", "split": settings.greedy.split, "kind": "figure"},
        ),
        tradeoff=report(
            "results/figures/{task}/{backbone}/tradeoff.svg",
            caption="../workflow/report/tradeoff.rst",
            category="Comparison",
            labels={"task": "{task}", "backbone": "{backbone}", "split": "test", "kind": "figure"},
        ),
        png=expand(
            "results/figures/{{task}}/{{backbone}}/{figure}.png",
            figure=["profile", "greedy", "tradeoff"],
        ),
    log:
        "results/logs/figures/{task}/{backbone}/all.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        split=f"--greedy-split {settings.greedy.split}",
        version=settings.version_of("figures"),
    shell:
        r"""
        subtuning figures \
            --task {wildcards.task} \
            --backbone {wildcards.backbone} \
            --layers {input.layers:q} \
            --profile {input.profile:q} \
            --greedy {input.greedy:q} \
            {params.split} \
            --evaluation {input.evaluation:q} \
            --out results/figures/{wildcards.task}/{wildcards.backbone} \
            2>&1 | tee -i {log:q}
        """


rule draw_profile_test:
    input:
        layers="results/backbones/{backbone}/layers.json",
        profile="results/{task}/{backbone}/profile_test.csv",
    output:
        svg=report(
            "results/figures/{task}/{backbone}/profile_test.svg",
            caption="../workflow/report/profile_test.rst",
            category="Profile",
            labels={"task": "{task}", "backbone": "{backbone}", "split": "test", "kind": "figure"},
        ),
        png="results/figures/{task}/{backbone}/profile_test.png",
    log:
        "results/logs/figures/{task}/{backbone}/profile_test.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        version=settings.version_of("figures"),
    shell:
        r"""
        subtuning figures \
            --task {wildcards.task} \
            --backbone {wildcards.backbone} \
            --layers {input.layers:q} \
            --profile-test {input.profile:q} \
            --out results/figures/{wildcards.task}/{wildcards.backbone} \
            2>&1 | tee -i {log:q}
        """


rule draw_profiles:
    input:
        expand("results/{task}/{backbone}/profile.csv", task=settings.tasks, backbone=settings.backbones),
    output:
        svg=report(
            "results/figures/profiles.svg",
            caption="../workflow/report/depths.rst",
            category="Profile",
            labels={"task": "all", "backbone": "all", "split": "cross-validation", "kind": "over depth"},
        ),
        png="results/figures/profiles.png",
    log:
        "results/logs/figures/profiles.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        pairs=expand("{task}/{backbone}", task=settings.tasks, backbone=settings.backbones),
        kind="depths",
        version=settings.version_of("figures"),
    shell:
        r"""
        subtuning profiles \
            {params.kind} \
            --pairs {params.pairs} \
            --out {output:q} \
            2>&1 | tee -i {log:q}
        """


use rule draw_profiles as draw_layers_of_tasks with:
    input:
        expand("results/{task}/{{backbone}}/profile.csv", task=settings.tasks),
    output:
        svg=report(
            "results/figures/profiles_{backbone}.svg",
            caption="../workflow/report/heat.rst",
            category="Profile",
            labels={"task": "all", "backbone": "{backbone}", "split": "cross-validation", "kind": "map of layers"},
        ),
        png="results/figures/profiles_{backbone}.png",
    log:
        "results/logs/figures/profiles_{backbone}.log",
    params:
        pairs=expand("{task}/{{backbone}}", task=settings.tasks),
        kind="heat",


rule summary:
    input:
        profiles=expand("results/{task}/{backbone}/profile.csv", task=settings.tasks, backbone=settings.backbones),
        evaluations=expand("results/{task}/{backbone}/evaluation.csv", task=settings.tasks, backbone=settings.backbones),
    output:
        summary=expand("results/tables/summary.{kind}", kind=["csv", "md", "tex"]),
        all_rows="results/tables/all.csv",
        vtab=expand("results/tables/vtab.{kind}", kind=settings.vtab_tables),
        published=expand("results/tables/published.{kind}", kind=settings.vtab_tables),
        comparison=expand("results/tables/comparison.{kind}", kind=["csv", "md", "tex"]),
        ranks=expand("results/tables/ranks.{kind}", kind=settings.rank_tables),
        ranks_png=["results/figures/ranks.png"] * bool(settings.rank_tables),
        ranks_figure=report(
            ["results/figures/ranks.svg"] * bool(settings.rank_tables),
            caption="../workflow/report/ranks.rst",
            category="Comparison",
            labels={"task": "all", "backbone": "all", "split": "test", "kind": "mean ranks"},
        ),
        sizes=expand("results/tables/sizes.{kind}", kind=settings.size_tables),
        sizes_layers="results/tables/sizes_layers.csv" if settings.size_tables else [],
        sizes_figures=expand("results/figures/sizes.{kind}", kind=["svg", "png"] if settings.size_tables else []),
        summary_page=report(
            "results/tables/summary.html",
            caption="../workflow/report/summary.rst",
            category="Comparison",
            labels={"task": "all", "backbone": "all", "split": "test", "kind": "accuracies"},
        ),
        comparison_page=report(
            "results/tables/comparison.html",
            caption="../workflow/report/summary.rst",
            category="Comparison",
            labels={"task": "all", "backbone": "all", "split": "test", "kind": "accuracies, layers and cost"},
        ),
    log:
        "results/logs/summary.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        pairs=expand("{task}/{backbone}", task=settings.tasks, backbone=settings.backbones),
        vtab="--vtab" if settings.vtab_tables else "",
        ranks="--ranks results/figures" if settings.rank_tables else "",
        sizes="--sizes results/figures" if settings.size_tables else "",
        version=settings.version_of("tables"),
        figures=settings.version_of("figures") if settings.rank_tables else "",
    shell:
        r"""
        subtuning tables \
            --pairs {params.pairs} \
            {params.vtab} \
            {params.ranks} \
            {params.sizes} \
            --out results/tables \
            2>&1 | tee -i {log:q}
        """
