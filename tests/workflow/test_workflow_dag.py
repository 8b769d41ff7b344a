"""The DAG: which jobs there are, that both entry files have the same, and what every rule says about itself."""

import re
import shutil
from pathlib import Path

import pytest
import yaml

from tests.workflow.snake import CONFIG, ROOT, call, changed, counts, jobs, new_folder, rules

JOB_COUNTS = yaml.safe_load((Path(__file__).parent / "job_counts.yaml").read_text())

TWO_BY_TWO = changed(
    *("tasks/more", {"source": "arrays", "path": "cells.npz", "val": 20}),
    *("backbones/other", {"model": "test_resnet", "weights": "random", "input_size": 32}),
)
CONFIGS = {
    "two tasks, two backbones": changed(
        *("profile.test_seeds", 2, "profile.shards", 3, "greedy.shards", 3, "greedy.start", "best"), config=TWO_BY_TWO
    ),
    "scored on val": changed("greedy.split", "val", "greedy.start", "full", "greedy.max_rounds", 4),
}

TRAINING = {"train_profile", "train_profile_test", "train_greedy", "train_evaluation", "train_experiment"}
LOCAL = {
    *(
        "fetch_task",
        "fetch_weights",
        "check_plan",
        "experiment_table",
        "draw_experiment",
        "profile_table",
        "profile_test_table",
        "select_greedy",
        "greedy_path",
    ),
    *("draw_figures", "draw_profile_test", "evaluation_table", "summary", "answer", "errors"),
    *("draw_profiles", "draw_layers_of_tasks", "draw_latency"),
    "draw_early",
}


TARGETS = {"benchmarks", "searches", "latency", "profiles", "greedy", "evaluations", "models"}
"""Rules that make nothing themselves, to be asked for by name; `all` is in the Snakefile."""


def folder_of(name, tmp_path):
    if name in CONFIGS:
        return new_folder(tmp_path, CONFIGS[name])
    shutil.copytree(ROOT / "config", tmp_path / "config")
    return tmp_path


@pytest.mark.parametrize("name", ["default", *CONFIGS])
def test_job_counts(name, tmp_path, snakemake):
    result = snakemake(folder_of(name, tmp_path), "--dry-run")
    assert result.code == 0, result.output
    assert counts(result.output) == JOB_COUNTS[name]


@pytest.mark.parametrize("name", ["default", *CONFIGS])
def test_a_dry_run_shows_every_job_and_makes_nothing(name, tmp_path, snakemake):
    folder = folder_of(name, tmp_path)
    result = snakemake(folder, "--dry-run")
    assert rules(result.output) | {"total": len(jobs(result.output))} == JOB_COUNTS[name]
    assert not (folder / "results").exists()


@pytest.mark.parametrize("name", ["default", *CONFIGS])
def test_both_entry_files_have_the_same_dag(name, tmp_path, snakemake):
    folder = folder_of(name, tmp_path)
    found = [snakemake(folder, "--dry-run", snakefile=entry) for entry in ("Snakefile", "workflow/Snakefile")]
    assert {result.code for result in found} == {0}
    first, second = (set(jobs(result.output)) for result in found)
    assert first == second
    assert len(first) == JOB_COUNTS[name]["total"]


def test_one_table_alone_needs_only_what_it_is_made_from(tmp_path, snakemake):
    folder = new_folder(tmp_path, TWO_BY_TWO)
    found = jobs(snakemake(folder, "--dry-run", "results/more/other/profile.csv").output)
    assert sorted(job.rule for job in found) == sorted(
        ["convert_task", "fetch_weights", "describe_backbone", "check_plan", "train_profile", "profile_table"]
    )
    assert {part for job in found for part in job.wildcards.split(", ")} == {"task=more", "backbone=other", "shard=0"}


def rule_blocks() -> dict[str, str]:
    """Name of each rule -> the text of its block, with that of its template after it."""
    text = "\n".join(file.read_text() for file in sorted((ROOT / "rules").glob("*.smk")))
    found = {}
    for template, name, block in re.findall(
        r"^(?:use rule (\w+) as |rule )(\w+)(?: with)?:\n(.*?)(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL
    ):
        found[name] = (template, block)
    return {name: block + found[template][1] if template else block for name, (template, block) in found.items()}


@pytest.mark.parametrize("name", rule_blocks())
def test_what_every_rule_has(name):
    block = rule_blocks()[name]
    directives = re.findall(r"^    (\w+):", block, re.MULTILINE)
    if name in TARGETS:
        assert set(directives) == {"localrule", "input"}
        return
    assert {"output", "log", "conda", "shell"} <= set(directives)
    if name in TRAINING:
        assert {"benchmark", "threads", "resources", "params"} <= set(directives)
        assert {"gpu=", "mem_mb=", "runtime=", "numbers="} <= set(re.findall(r"\w+=", block))
    assert "config[" not in block, "params take leaf values"
    # Snakemake compares the set of a job's params: 2 folds and 1 shard made 1 fold and 2 shards would be no change.
    assert not re.search(r"^        \w+=settings\.(profile|greedy|evaluate|numbers)\b", block, re.MULTILINE)
    wildcards = {"task", "backbone", "direction", "round", "shard", "experiment", "early"}
    wildcards |= {"kind", "model", "pixels"} if name == "measure_speed" else set()
    assert re.search(r'log:\n        "(.*)"', block)[1].count("{") == len(
        set(re.findall(r"{(\w+)}", re.search(r"output:\n(.*?)\n    log:", block, re.DOTALL)[1].replace("{{", "{")))
        & wildcards
    ), "the log has the wildcards of the output"


def test_the_rules_are_those_that_this_file_knows():
    found = rule_blocks()
    assert set(found) >= TRAINING | LOCAL
    local = {name for name, block in found.items() if "\n    localrule: True\n" in block}
    assert local == LOCAL | TARGETS, (
        "said in the rule itself, so that it stays local under another name in another workflow"
    )
    measured = {"measure_speed", "measure_latency"}
    assert set(found) - TRAINING - LOCAL - TARGETS == {"convert_task", "describe_backbone", "deliver", *measured}


def test_every_shell_block_is_one_command_with_a_log():
    for name, block in rule_blocks().items():
        if name in TARGETS:
            continue
        shell = re.search(r'shell:\n        r"""\n(.*?)"""', block, re.DOTALL)[1].strip().splitlines()
        assert re.fullmatch(r"subtuning [a-z-]+( \{params\.step\})? \\", shell[0]), name
        assert shell[-1].strip() == "2>&1 | tee -i {log:q}", f"{name}: Ctrl-C must not end the log before the job"
        for line in shell[1:-1]:
            assert re.fullmatch(r"\s+(--[a-z-]+ \S+|\{params\.[a-z]+\}|\{wildcards\.kind\}) \\", line), (
                f"{name}: {line}: one flag a line"
            )


def test_lint(tmp_path, snakemake):
    folder = new_folder(tmp_path, CONFIGS["two tasks, two backbones"])
    result = snakemake(folder, "--lint")
    assert result.code == 0, result.output


@pytest.mark.parametrize("words", [["--unlock"], ["--rulegraph"], ["--summary"], ["--list-rules"]])
def test_commands_that_run_no_job_need_no_cores(words, tmp_path, warm_environment):
    folder = new_folder(tmp_path, CONFIG)
    result = call(["warm-snakemake", "--snakefile", str(ROOT / "Snakefile"), *words], folder, warm_environment)
    assert result.code == 0, result.output


def test_on_a_cluster_no_cores_are_given(tmp_path, warm_environment):
    folder = new_folder(tmp_path, changed("tune.lr", [0.1, 1]))
    profile = str(ROOT / "profiles" / "slurm")
    words = ["warm-snakemake", "--snakefile", str(ROOT / "Snakefile"), "--workflow-profile", profile, "--dry-run"]
    result = call(words, folder, warm_environment)
    assert result.code == 0, result.output
    assert counts(result.output) == JOB_COUNTS["default"], "this config has as many jobs as the default"
    assert "slurm_partition=gpu" in result.output


@pytest.mark.parametrize(("gpus", "threads"), [([], 4), (["gpu=1"], 4), (["gpu=2"], 2), (["gpu=9"], 1)])
def test_trainings_that_may_run_at_once_share_the_cores(gpus, threads, tmp_path, warm_environment):
    folder = new_folder(tmp_path, CONFIG)
    words = ["warm-snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "4", "--dry-run"]
    result = call([*words, *(["--resources", *gpus] if gpus else [])], folder, warm_environment)
    assert result.code == 0, result.output
    assert re.findall(r"--threads (\d+) ", result.output) == [str(threads)] * 4
    assert len(re.findall(r"resources: .*\bgpu=1\b", result.output)) == 4


@pytest.mark.parametrize(
    ("target", "last", "not_made"),
    [
        ("profiles", {"profile_table": 1, "draw_early": 1}, {"train_greedy", "train_evaluation"}),
        ("greedy", {"greedy_path": 1, "draw_early": 1}, {"train_evaluation"}),
        ("evaluations", {"evaluation_table": 1, "answer": 1, "draw_figures": 1}, {"deliver", "draw_early", "summary"}),
        ("models", {"deliver": 1}, {"draw_figures", "summary"}),
    ],
)
def test_a_part_of_the_whole(target, last, not_made, tmp_path, snakemake):
    found = counts(snakemake(new_folder(tmp_path), target, "--dry-run").output)
    assert found[target] == 1
    assert last.items() <= found.items()
    assert not not_made & found.keys()
