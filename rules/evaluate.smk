"""
This part of the workflow makes the comparison on the untouched test set.

REQUIRED INPUTS: a converted task, a described backbone, the profile, the selected layers, and the tuned recipes.
OUTPUTS: results/<task>/<backbone>/evaluation.csv.
This part includes the following steps: retrain every method on train + val with several seeds and test each run once, at
its last epoch; then write the table.
"""


use rule train_profile as train_evaluation with:
    input:
        plan="results/{task}/{backbone}/plan.json",
        task="results/tasks/{task}/task.json",
        layers="results/backbones/{backbone}/layers.json",
        profile="results/{task}/{backbone}/profile.csv",
        before=lambda wildcards: settings.files_before("evaluation", wildcards),
    output:
        "results/{task}/{backbone}/evaluation/runs.json",
    log:
        "results/logs/evaluation/{task}/{backbone}/runs.log",
    benchmark:
        "results/benchmarks/evaluation/{task}/{backbone}/runs.tsv"
    params:
        step="evaluation",
        settings=settings.settings_of("evaluation"),
        # Not compared, since it takes `input`: whether models are kept trains nothing.
        part=lambda wildcards, input: "--models" if settings.evaluate.models else "--no-models",


use rule profile_table as evaluation_table with:
    input:
        runs="results/{task}/{backbone}/evaluation/runs.json",
    output:
        "results/{task}/{backbone}/evaluation.csv",
    log:
        "results/logs/evaluation/{task}/{backbone}/table.log",
    localrule: True
    params:
        step="evaluation",
        settings=settings.settings_of("evaluation"),
