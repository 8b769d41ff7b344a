"""
This part of the workflow converts raw images and labels.

REQUIRED INPUTS: what the config's `tasks` entry names (a folder, lists, an array file, an installed package, another
task to corrupt, or the published archives of VTAB-1k, which are fetched if they are not there).
OUTPUTS: results/tasks/<task>/{train,val,test}/{images,labels}.npy, names.json (of the images) and task.json.
Fetching is a local rule: compute nodes need no network.
"""


rule fetch_task:
    output:
        "results/data/fetched/{task}.json",
    log:
        "results/logs/fetch/{task}.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        spec=settings.task_spec,
    shell:
        r"""
        subtuning fetch-task \
            --task {wildcards.task} \
            --spec {params.spec:q} \
            --out {output:q} \
            2>&1 | tee -i {log:q}
        """


rule convert_task:
    input:
        before_conversion,
    output:
        expand(
            "results/tasks/{{task}}/{part}/{array}.npy",
            part=["train", "val", "test"],
            array=["images", "labels"],
        ),
        names="results/tasks/{task}/names.json",
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
            2>&1 | tee -i {log:q}
        """
