"""
This part of the workflow measures how fast training is; docs/performance.md says what each figure compares.

REQUIRED INPUTS: none (random weights, handwritten digits).
OUTPUTS: results/benchmarks/speed/<kind>/<model>-<pixels>.csv, made by `snakemake --cores all benchmarks`.
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
