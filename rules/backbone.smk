"""
This part of the workflow prepares the pretrained models.

REQUIRED INPUTS: none, but the network for weights from the hub (`weights: timm`).
OUTPUTS: results/backbones/<backbone>/weights.safetensors and layers.json (name, parameters and FLOPs of each layer).
Fetching is a local rule: compute nodes need no network.
"""


rule fetch_weights:
    output:
        "results/backbones/{backbone}/weights.safetensors",
    log:
        "results/logs/fetch/{backbone}.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        spec=settings.weights_spec,
        state=settings.weights_state,
    shell:
        r"""
        subtuning fetch \
            --backbone {wildcards.backbone} \
            --spec {params.spec:q} \
            2>&1 | tee -i {log:q}
        """


rule describe_backbone:
    input:
        "results/backbones/{backbone}/weights.safetensors",
    output:
        "results/backbones/{backbone}/layers.json",
    log:
        "results/logs/describe/{backbone}.log",
    conda:
        "../environment.yml"
    resources:
        mem_mb=4000,
    params:
        spec=settings.backbone_spec,
        version=settings.version_of("layers"),
        numbers=f"numbers {settings.numbers}",
    shell:
        r"""
        subtuning describe \
            --backbone {wildcards.backbone} \
            --spec {params.spec:q} \
            2>&1 | tee -i {log:q}
        """
