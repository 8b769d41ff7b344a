"""
This part of the workflow makes the model that one takes home.

REQUIRED INPUTS: a converted task, a described backbone with its weights, and the finished evaluation, whose runs left
their trained tensors in results/models/ (`evaluate.models`).
OUTPUTS: results/<task>/<backbone>/model/, a folder that timm loads as it is, with a model card (docs/model.md).
Nothing is trained, but with `deliver.data: all` one run, on all images, and with `deliver.calibrate`
the method's folds; then a GPU is asked for.
"""


rule deliver:
    input:
        task="results/tasks/{task}/task.json",
        weights="results/backbones/{backbone}/weights.safetensors",
        layers="results/backbones/{backbone}/layers.json",
        selected="results/{task}/{backbone}/selected.json",
        runs="results/{task}/{backbone}/evaluation/runs.json",
        evaluation="results/{task}/{backbone}/evaluation.csv",
    output:
        expand(
            "results/{{task}}/{{backbone}}/model/{file}",
            file=["config.json", "model.safetensors", "delta.safetensors", "README.md", "predict.py"],
        ),
    log:
        "results/logs/deliver/{task}/{backbone}.log",
    conda:
        "../environment.yml"
    threads: training_threads() if settings.trains_delivered else 1
    resources:
        gpu=int(settings.trains_delivered),
        mem_mb=memory_mb if settings.trains_delivered else 4000,
        runtime=minutes,
    params:
        method=settings.method_of,
        data=settings.data_of,
        calibrate=settings.calibrate_of,
        recipe=settings.recipe,
        settings=settings.settings_of("evaluation"),
        version=settings.version_of("models"),
    shell:
        r"""
        subtuning deliver \
            --task {wildcards.task} \
            --backbone {wildcards.backbone} \
            --method {params.method:q} \
            --data {params.data} \
            {params.calibrate} \
            --recipe {params.recipe:q} \
            --settings {params.settings:q} \
            --out results/{wildcards.task}/{wildcards.backbone}/model \
            2>&1 | tee -i {log:q}
        """
