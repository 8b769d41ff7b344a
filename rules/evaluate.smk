"""
This part of the workflow makes the comparison on the untouched test set.

REQUIRED INPUTS: a converted task, a described backbone, the profile and the selected subset.
OUTPUTS: results/<task>/<backbone>/evaluation.csv.
Every method is retrained on train + val with several seeds and tested once, at its last epoch.
"""


rule evaluate:
    input:
        task="results/tasks/{task}/task.json",
        layers="results/backbones/{backbone}/layers.json",
        profile="results/{task}/{backbone}/profile.csv",
        selected="results/{task}/{backbone}/selected.json",
    output:
        report(
            "results/{task}/{backbone}/evaluation.csv",
            caption="../workflow/report/evaluation.rst",
            category="Comparison",
            labels={"task": "{task}", "backbone": "{backbone}", "split": "test"},
        ),
    log:
        "results/logs/evaluate/{task}/{backbone}.log",
    benchmark:
        "results/benchmarks/evaluate/{task}/{backbone}.tsv"
    conda:
        "../environment.yml"
    threads: training_threads()
    resources:
        gpu=1,
        mem_mb=memory_mb,
        runtime=minutes,
    params:
        recipe=settings.recipe,
        seeds=settings.evaluate.seeds,
        folds=settings.profile.folds,
        subsets=settings.subsets,
        code=settings.code,
    shell:
        r"""
        subtuning evaluate \
            --task {wildcards.task} \
            --backbone {wildcards.backbone} \
            --recipe {params.recipe:q} \
            --seeds {params.seeds} \
            --folds {params.folds} \
            --selected {input.selected:q} \
            --subsets {params.subsets:q} \
            --threads {threads} \
            --out {output:q} \
            2>&1 | tee -i {log:q}
        """
