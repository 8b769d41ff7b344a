"""
This part of the workflow makes the finetuning profile: every layer trained alone.

REQUIRED INPUTS: a converted task and a described backbone.
OUTPUTS: results/<task>/<backbone>/profile.csv (cross-validation on train + val) and, if the config asks for it,
profile_test.csv (seeds on the test set; no selection ever reads it).
This part includes the following steps: train the layers (spread over `profile.shards` jobs), then write the table.
Before anything is trained, `subtuning profile` also checks the plan of later steps (see `Params.announce_plan`).
"""


rule train_profile:
    input:
        task="results/tasks/{task}/task.json",
        layers="results/backbones/{backbone}/layers.json",
    output:
        "results/{task}/{backbone}/profile/shard{shard}.json",
    log:
        "results/logs/profile/{task}/{backbone}/shard{shard}.log",
    benchmark:
        "results/benchmarks/profile/{task}/{backbone}/shard{shard}.tsv"
    conda:
        "../environment.yml"
    threads: training_threads()
    resources:
        gpu=1,
        mem_mb=memory_mb,
        runtime=minutes,
    params:
        recipe=settings.recipe,
        folds=f"--folds {settings.profile.folds}",
        shards=f"--shards {settings.profile.shards}",
        numbers=f"numbers {settings.numbers}",
    shell:
        r"""
        subtuning profile \
            --task {wildcards.task} \
            --backbone {wildcards.backbone} \
            --recipe {params.recipe:q} \
            {params.folds} \
            --shard {wildcards.shard} \
            {params.shards} \
            --threads {threads} \
            --out {output:q} \
            2>&1 | tee -i {log:q}
        """


rule profile_table:
    input:
        shards=expand(
            "results/{{task}}/{{backbone}}/profile/shard{shard}.json",
            shard=range(settings.profile.shards),
        ),
    output:
        "results/{task}/{backbone}/profile.csv",
    log:
        "results/logs/profile_table/{task}/{backbone}.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        recipe=settings.recipe,
        folds=f"--folds {settings.profile.folds}",
        version=settings.version_of("tables"),
    shell:
        r"""
        subtuning profile-table \
            --task {wildcards.task} \
            --backbone {wildcards.backbone} \
            --recipe {params.recipe:q} \
            {params.folds} \
            --out {output:q} \
            2>&1 | tee -i {log:q}
        """


rule train_profile_test:
    input:
        task="results/tasks/{task}/task.json",
        layers="results/backbones/{backbone}/layers.json",
    output:
        "results/{task}/{backbone}/profile_test/shard{shard}.json",
    log:
        "results/logs/profile_test/{task}/{backbone}/shard{shard}.log",
    benchmark:
        "results/benchmarks/profile_test/{task}/{backbone}/shard{shard}.tsv"
    conda:
        "../environment.yml"
    threads: training_threads()
    resources:
        gpu=1,
        mem_mb=memory_mb,
        runtime=minutes,
    params:
        recipe=settings.recipe,
        seeds=f"--test-seeds {settings.profile.test_seeds}",
        shards=f"--shards {settings.profile.shards}",
        numbers=f"numbers {settings.numbers}",
    shell:
        r"""
        subtuning profile \
            --task {wildcards.task} \
            --backbone {wildcards.backbone} \
            --recipe {params.recipe:q} \
            {params.seeds} \
            --shard {wildcards.shard} \
            {params.shards} \
            --threads {threads} \
            --out {output:q} \
            2>&1 | tee -i {log:q}
        """


rule profile_test_table:
    input:
        shards=expand(
            "results/{{task}}/{{backbone}}/profile_test/shard{shard}.json",
            shard=range(settings.profile.shards),
        ),
    output:
        "results/{task}/{backbone}/profile_test.csv",
    log:
        "results/logs/profile_test_table/{task}/{backbone}.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        recipe=settings.recipe,
        seeds=f"--test-seeds {settings.profile.test_seeds}",
        version=settings.version_of("tables"),
    shell:
        r"""
        subtuning profile-table \
            --task {wildcards.task} \
            --backbone {wildcards.backbone} \
            --recipe {params.recipe:q} \
            {params.seeds} \
            --out {output:q} \
            2>&1 | tee -i {log:q}
        """
