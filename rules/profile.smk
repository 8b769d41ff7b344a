"""
This part of the workflow makes the finetuning profile: every layer trained alone.

REQUIRED INPUTS: a converted task and a described backbone.
OUTPUTS: results/<task>/<backbone>/profile.csv (cross-validation on train + val) and, if the config asks for it,
profile_test.csv (seeds on the test set; no selection ever reads it).
This part includes the following steps: check what would stop a later step, train the layers (spread over
`profile.shards` jobs), then write the table. `train_profile` and `profile_table` are also the templates of all other
rules that train a step of a study or write what it concludes.
"""


rule check_plan:
    input:
        task="results/tasks/{task}/task.json",
        layers="results/backbones/{backbone}/layers.json",
    output:
        "results/{task}/{backbone}/plan.json",
    log:
        "results/logs/plan/{task}/{backbone}.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        recipe=settings.recipe,
        profile=settings.settings_of("profile"),
        # Not compared, since it takes `input`: a further subset to compare must not train the profile again.
        settings=lambda wildcards, input: settings.all_settings(wildcards),
        # Elsewhere than here, on a cluster's nodes, training has another speed.
        probe=lambda wildcards, input: "" if workflow.non_local_exec else "--probe",
    shell:
        r"""
        subtuning check-plan \
            --task {wildcards.task} \
            --backbone {wildcards.backbone} \
            --recipe {params.recipe:q} \
            --settings {params.settings:q} \
            {params.probe} \
            --out {output:q} \
            2>&1 | tee -i {log:q}
        """


rule train_profile:
    input:
        plan="results/{task}/{backbone}/plan.json",
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
        step="profile",
        recipe=settings.recipe,
        settings=settings.settings_of("profile"),
        part=lambda wildcards: f"--shard {wildcards.shard} --shards {settings.profile.shards}",
        numbers=f"numbers {settings.numbers}",
    shell:
        r"""
        subtuning train-step {params.step} \
            --task {wildcards.task} \
            --backbone {wildcards.backbone} \
            --recipe {params.recipe:q} \
            --settings {params.settings:q} \
            {params.part} \
            --threads {threads} \
            --out {output:q} \
            2>&1 | tee -i {log:q}
        """


rule profile_table:
    input:
        expand("results/{{task}}/{{backbone}}/profile/shard{shard}.json", shard=range(settings.profile.shards)),
    output:
        "results/{task}/{backbone}/profile.csv",
    log:
        "results/logs/profile_table/{task}/{backbone}.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        step="profile",
        recipe=settings.recipe,
        settings=settings.settings_of("profile"),
        version=settings.version_of("tables"),
    shell:
        r"""
        subtuning conclude {params.step} \
            --task {wildcards.task} \
            --backbone {wildcards.backbone} \
            --recipe {params.recipe:q} \
            --settings {params.settings:q} \
            --out {output:q} \
            2>&1 | tee -i {log:q}
        """


use rule train_profile as train_profile_test with:
    output:
        "results/{task}/{backbone}/profile_test/shard{shard}.json",
    log:
        "results/logs/profile_test/{task}/{backbone}/shard{shard}.log",
    benchmark:
        "results/benchmarks/profile_test/{task}/{backbone}/shard{shard}.tsv"
    params:
        step="profile/test",
        settings=settings.settings_of("profile/test"),


use rule profile_table as profile_test_table with:
    input:
        expand("results/{{task}}/{{backbone}}/profile_test/shard{shard}.json", shard=range(settings.profile.shards)),
    output:
        "results/{task}/{backbone}/profile_test.csv",
    log:
        "results/logs/profile_test_table/{task}/{backbone}.log",
    localrule: True
    params:
        step="profile/test",
        settings=settings.settings_of("profile/test"),
