"""
This part of the workflow makes the further experiments that the config names (`experiments`).
The tuning of each method's recipe (`tune`) is one of them.

REQUIRED INPUTS: a converted task, a described backbone, the profile, and what the steps before an experiment conclude.
OUTPUTS: results/<task>/<backbone>/<experiment>.csv and, for experiments that have one, the figure of the same name.
Which runs an experiment needs and what its table holds, its files in the package say; CONTRIBUTING.md explains them.
"""


use rule train_profile as train_experiment with:
    input:
        plan="results/{task}/{backbone}/plan.json",
        task="results/tasks/{task}/task.json",
        layers="results/backbones/{backbone}/layers.json",
        profile="results/{task}/{backbone}/profile.csv",
        before=lambda wildcards: settings.files_before(wildcards.experiment, wildcards),
    output:
        "results/{task}/{backbone}/{experiment}/runs.json",
    log:
        "results/logs/{experiment}/{task}/{backbone}/runs.log",
    benchmark:
        "results/benchmarks/{experiment}/{task}/{backbone}/runs.tsv"
    params:
        step="{experiment}",
        settings=settings.settings_of("{experiment}"),
        part="",


use rule profile_table as experiment_table with:
    input:
        "results/{task}/{backbone}/{experiment}/runs.json",
    output:
        "results/{task}/{backbone}/{experiment}.csv",
    log:
        "results/logs/{experiment}/{task}/{backbone}/table.log",
    localrule: True
    params:
        step="{experiment}",
        settings=settings.settings_of("{experiment}"),


rule draw_experiment:
    input:
        layers="results/backbones/{backbone}/layers.json",
        table="results/{task}/{backbone}/{experiment}.csv",
    output:
        svg=report(
            "results/figures/{task}/{backbone}/{experiment}.svg",
            category="Experiments",
            labels={"experiment": "{experiment}", "task": "{task}", "backbone": "{backbone}"},
        ),
        png="results/figures/{task}/{backbone}/{experiment}.png",
    log:
        "results/logs/figures/{task}/{backbone}/{experiment}.log",
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
            --experiment {input.table:q} \
            --out results/figures/{wildcards.task}/{wildcards.backbone} \
            2>&1 | tee -i {log:q}
        """
