"""
This part of the workflow converts raw images and labels.

REQUIRED INPUTS: what the config's `tasks` entry names (a folder, lists, an array file, or an installed package).
OUTPUTS: results/tasks/<task>/{train,val,test}/{images,labels}.npy and task.json.
"""


rule convert_task:
    output:
        expand(
            "results/tasks/{{task}}/{part}/{array}.npy",
            part=["train", "val", "test"],
            array=["images", "labels"],
        ),
        json="results/tasks/{task}/task.json",
    log:
        "results/logs/convert/{task}.log",
    benchmark:
        "results/benchmarks/convert/{task}.tsv"
    conda:
        "../environment.yml"
    threads: 8
    resources:
        mem_mb=2000,
    params:
        spec=settings.task_spec,
        state=settings.task_state,
    shell:
        r"""
        subtuning convert \
            --task {wildcards.task} \
            --spec {params.spec:q} \
            --workers {threads} \
            --out results/tasks/{wildcards.task} \
            2>&1 | tee {log:q}
        """
