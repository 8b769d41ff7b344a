"""
This part of the workflow searches for the layers that are best together (Greedy-SubTuning).

REQUIRED INPUTS: a converted task, a described backbone, and the profile, whose runs are the first round's.
OUTPUTS: results/<task>/<backbone>/greedy/<direction>/round<r>.json, greedy.csv (all candidates) and selected.json.
This part includes the following steps: train the candidates of a round (spread over `greedy.shards` jobs), choose the
best, and so on for `greedy.max_rounds` rounds; a round after the stop copies its predecessor without training. The rounds
are known beforehand (a dry run shows them all); which layers are in them follows from the finished runs of the rounds
before. `epsilon` comes last, so that changing it trains nothing.
"""


use rule train_profile as train_greedy with:
    input:
        plan="results/{task}/{backbone}/plan.json",
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
    params:
        step="greedy/{direction}/{round}",
        settings=settings.settings_of("greedy/{direction}/{round}"),
        part=lambda wildcards: f"--shard {wildcards.shard} --shards {settings.greedy.shards}",


use rule profile_table as select_greedy with:
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
    params:
        step="greedy/{direction}/{round}",
        settings=settings.settings_of("greedy/{direction}/{round}"),


use rule profile_table as greedy_path with:
    input:
        expand(
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
    params:
        step="greedy",
        settings=settings.settings_of("greedy"),
