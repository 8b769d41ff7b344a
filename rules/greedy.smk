"""
This part of the workflow searches for the subset of layers that is best together (Greedy-SubTuning).

REQUIRED INPUTS: a converted task, a described backbone, and the profile, whose runs are the first round's.
OUTPUTS: results/<task>/<backbone>/greedy/<direction>/round<r>.json, greedy.csv (all candidates) and selected.json.
This part includes the following steps: train the candidates of a round (spread over `greedy.shards` jobs), choose the
best, and so on for `greedy.max_rounds` rounds; a round after the stop copies its predecessor without training. The rounds
are known beforehand (a dry run shows them all); which layers are in them is read from the round before. `epsilon` comes
last, so that changing it trains nothing.
"""


rule train_greedy:
    input:
        task="results/tasks/{task}/task.json",
        layers="results/backbones/{backbone}/layers.json",
        profile="results/{task}/{backbone}/profile.csv",
        previous=round_before,
    output:
        "results/{task}/{backbone}/greedy/{direction}/round{round}.shard{shard}.json",
    log:
        "results/logs/greedy/{task}/{backbone}/{direction}{round}.shard{shard}.log",
    benchmark:
        "results/benchmarks/greedy/{task}/{backbone}/{direction}{round}.shard{shard}.tsv"
    conda:
        "../environment.yml"
    threads: training_threads()
    resources:
        gpu=1,
        mem_mb=memory_mb,
        runtime=minutes,
    params:
        recipe=settings.recipe,
        split=f"--split {settings.greedy.split}",
        folds=f"--folds {settings.greedy.folds}",
        shards=f"--shards {settings.greedy.shards}",
        racing="--racing" if settings.search.racing else "",
        numbers=f"numbers {settings.numbers}",
        previous=lambda wildcards, input: f"--previous {input.previous}" if input.previous else "",
    shell:
        r"""
        subtuning greedy-train \
            --task {wildcards.task} \
            --backbone {wildcards.backbone} \
            --recipe {params.recipe:q} \
            --direction {wildcards.direction} \
            {params.split} \
            {params.folds} \
            {params.previous} \
            --shard {wildcards.shard} \
            {params.shards} \
            {params.racing} \
            --threads {threads} \
            --out {output:q} \
            2>&1 | tee -i {log:q}
        """


rule select_greedy:
    input:
        shards=expand(
            "results/{{task}}/{{backbone}}/greedy/{{direction}}/round{{round}}.shard{shard}.json",
            shard=range(settings.greedy.shards),
        ),
        previous=round_before,
    output:
        "results/{task}/{backbone}/greedy/{direction}/round{round}.json",
    log:
        "results/logs/greedy/{task}/{backbone}/{direction}{round}.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        recipe=settings.recipe,
        split=f"--split {settings.greedy.split}",
        folds=f"--folds {settings.greedy.folds}",
        previous=lambda wildcards, input: f"--previous {input.previous}" if input.previous else "",
        trained=lambda wildcards, input: f"--trained {input.shards}" if settings.raced(wildcards) else "",
        version=settings.version_of("tables"),
    shell:
        r"""
        subtuning greedy-select \
            --task {wildcards.task} \
            --backbone {wildcards.backbone} \
            --recipe {params.recipe:q} \
            --direction {wildcards.direction} \
            {params.split} \
            {params.folds} \
            {params.previous} \
            {params.trained} \
            --out {output:q} \
            2>&1 | tee -i {log:q}
        """


rule greedy_path:
    input:
        rounds=expand(
            "results/{{task}}/{{backbone}}/greedy/{direction}/round{round}.json",
            direction=settings.directions,
            round=range(1, settings.greedy.max_rounds + 1),
        ),
    output:
        table="results/{task}/{backbone}/greedy.csv",
        selected="results/{task}/{backbone}/selected.json",
    log:
        "results/logs/greedy/{task}/{backbone}/path.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        epsilon=f"--epsilon {settings.greedy.epsilon}",
        version=settings.version_of("tables"),
    shell:
        r"""
        subtuning greedy-path \
            --rounds {input.rounds:q} \
            {params.epsilon} \
            --table {output.table:q} \
            --selected {output.selected:q} \
            2>&1 | tee -i {log:q}
        """
