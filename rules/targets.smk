"""
This part of the workflow names parts of the whole, each with its figures: `snakemake --cores all profiles`, `greedy`,
`evaluations`, `models`.

REQUIRED INPUTS: those of the parts.
OUTPUTS: results/<task>/<backbone>/{profile,greedy}.{svg,png}, the figures of what is finished before the comparison is;
all else is made by the other rules.
"""


rule profiles:
    input:
        of_each_pair("{pair}/profile.csv", "{pair}/profile.svg"),
    localrule: True


rule greedy:
    input:
        of_each_pair("{pair}/greedy.csv", "{pair}/selected.json", "{pair}/greedy.svg"),
    localrule: True


rule evaluations:
    input:
        of_each_pair("{pair}/evaluation.csv", "{pair}/answer.md", "figures/{pair}/tradeoff.svg"),
    localrule: True


rule models:
    input:
        expand("results/{pair}/model/config.json", pair=settings.delivered),
    localrule: True


rule draw_early:
    input:
        layers="results/backbones/{backbone}/layers.json",
        profile="results/{task}/{backbone}/profile.csv",
        greedy=lambda wildcards: [f"results/{wildcards.task}/{wildcards.backbone}/greedy.csv"]
        * (wildcards.early == "greedy"),
    output:
        svg="results/{task}/{backbone}/{early}.svg",
        png="results/{task}/{backbone}/{early}.png",
    log:
        "results/logs/figures/{task}/{backbone}/early_{early}.log",
    localrule: True
    conda:
        "../environment.yml"
    params:
        greedy=lambda wildcards, input: f"--greedy {input.greedy[0]}" if input.greedy else "",
        split=f"--greedy-split {settings.greedy.split}",
        version=settings.version_of("figures"),
    shell:
        r"""
        subtuning figures \
            --task {wildcards.task} \
            --backbone {wildcards.backbone} \
            --layers {input.layers:q} \
            --profile {input.profile:q} \
            {params.greedy} \
            {params.split} \
            --only {wildcards.early} \
            --out results/{wildcards.task}/{wildcards.backbone} \
            2>&1 | tee -i {log:q}
        """
