"""
This part of the workflow measures how fast training is (docs/performance.md says what each figure compares), and what a
further task costs a network that serves one already (docs/multitask.md).

REQUIRED INPUTS: for speed none (random weights, handwritten digits); for `latency`, profile.csv and selected.json.
OUTPUTS: results/benchmarks/speed/<kind>/<model>-<pixels>.csv, made by `snakemake --cores all benchmarks`;
results/<task>/<backbone>/latency.csv and its figure, made by `snakemake --cores all latency`.
One is measured at a time, on all cores: close other programs first.
"""

SPEED_MODELS = {"tf_efficientnet_lite0": 96, "resnet18": 64, "vit_tiny_patch16_224": 96}
"""timm model -> pixels a side"""


rule benchmarks:
    input:
        expand(
            "results/benchmarks/speed/{kind}/{model}.csv",
            kind=["lanes", "overhead", "scaling", "memory", "precision"],
            model=[f"{model}-{pixels}" for model, pixels in SPEED_MODELS.items()],
        ),
    localrule: True


rule searches:
    input:
        expand("results/{task}/{backbone}/greedy.csv", task=settings.tasks, backbone=settings.backbones),
    localrule: True


rule measure_speed:
    output:
        "results/benchmarks/speed/{kind}/{model}-{pixels}.csv",
    log:
        "results/logs/benchmarks/{kind}/{model}-{pixels}.log",
    conda:
        "../environment.yml"
    threads: workflow.resource_settings.cores or 4
    resources:
        gpu=1,
        mem_mb=16000,
        runtime=60,
    shell:
        r"""
        subtuning benchmark \
            {wildcards.kind} \
            --model {wildcards.model} \
            --input-size {wildcards.pixels} \
            --threads {threads} \
            --out {output:q} \
            2>&1 | tee -i {log:q}
        """


rule latency:
    input:
        expand(
            "results/figures/{task}/{backbone}/latency.svg",
            task=settings.tasks,
            backbone=settings.backbones,
        ),
    localrule: True


rule measure_latency:
    input:
        task="results/tasks/{task}/task.json",
        layers="results/backbones/{backbone}/layers.json",
        weights="results/backbones/{backbone}/weights.safetensors",
        profile="results/{task}/{backbone}/profile.csv",
        selected="results/{task}/{backbone}/selected.json",
    output:
        "results/{task}/{backbone}/latency.csv",
    log:
        "results/logs/latency/{task}/{backbone}.log",
    conda:
        "../environment.yml"
    threads: workflow.resource_settings.cores or 4
    resources:
        gpu=1,
        mem_mb=8000,
        runtime=30,
    shell:
        r"""
        subtuning latency \
            --task {wildcards.task} \
            --backbone {wildcards.backbone} \
            --threads {threads} \
            --out {output:q} \
            2>&1 | tee -i {log:q}
        """


use rule draw_experiment as draw_latency with:
    input:
        layers="results/backbones/{backbone}/layers.json",
        table="results/{task}/{backbone}/latency.csv",
    output:
        svg=report(
            "results/figures/{task}/{backbone}/latency.svg",
            category="Experiments",
            labels={"experiment": "latency", "task": "{task}", "backbone": "{backbone}"},
        ),
        png="results/figures/{task}/{backbone}/latency.png",
    log:
        "results/logs/figures/{task}/{backbone}/latency.log",
    localrule: True
