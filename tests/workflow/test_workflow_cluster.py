"""What clusters need and what needs no cluster to be tested: job counts, compute nodes without network, the profile."""

import itertools
import json
import re
import shlex
import subprocess
import sys

import pytest
import yaml

from subtuning.analysis.job_size import rule_counts, training_jobs
from subtuning.config.load import parse_config
from tests.workflow.snake import ROOT, changed, copy, counts, new_folder, real_environment, records, what, write_config

VTAB = yaml.safe_load((ROOT / "config" / "vtab1k.yaml").read_text())
PAGE = (ROOT / "docs" / "job-size.md").read_text()


@pytest.mark.parametrize(
    "changes",
    [
        (),
        (
            *("profile.test_seeds", 2, "profile.shards", 4, "greedy.shards", 3, "greedy.max_rounds", 2),
            *("greedy.start", "best", "tasks/mine", {"source": "builtin"}, "backbones/vit_b16", None),
        ),
    ],
    ids=["vtab1k.yaml", "all else"],
)
def test_the_planned_jobs_are_those_of_the_real_dag(changes, tmp_path, snakemake):
    content = changed(*changes, config=VTAB)
    write_config(tmp_path, content)
    dry_run = snakemake(tmp_path, "--dry-run", "--quiet", "rules")
    assert dry_run.code == 0, dry_run.output
    config = parse_config(content)
    layers = {"layers": [{"name": name, "kind": "block", "parameters": 1} for name in "abcdefghijklm"]}
    planned = rule_counts(config, training_jobs(config, dict.fromkeys(config.backbones, layers)))
    assert counts(dry_run.output) == planned | {"total": sum(planned.values())}


def test_the_page_about_job_size_shows_what_the_command_prints(tmp_path, subtuning):
    """Every block of it that begins with a command has the command's output below it."""
    shown = re.findall(r"^    \$ subtuning (plan .*)\n\n((?:    .*\n|\n)+)", PAGE, re.MULTILINE)
    assert len(shown) >= 2
    for words, output in shown:
        result = subtuning(ROOT, *shlex.split(words), "--results", str(tmp_path))
        assert result.code == 0, result.output
        lines = [line.removeprefix("    ") for line in output.strip("\n").splitlines()]
        assert result.output.splitlines() == [line.strip("\n") for line in lines], words


WITHOUT_SOCKETS = """
import os, socket, sys

def refuse(event, arguments):
    if event.startswith("socket.") and event not in ("socket.__new__", "socket.gethostname"):
        raise OSError(f"no network here: {event}")

sys.addaudithook(refuse)
for attempt in (lambda: socket.create_connection(("127.0.0.1", 9)), lambda: socket.getaddrinfo("localhost", 80)):
    try:
        attempt()
    except OSError as error:
        assert "no network here" in str(error), error
    else:
        sys.exit("the network is open")

import json
from subtuning.cli import main
for words in json.loads(sys.argv[1]):
    if main(words):
        sys.exit(f"{words} failed")
"""


def test_training_jobs_need_no_network(finished, tmp_path):
    """A real process that cannot even open a connection to its own machine trains, round after round."""
    folder = copy(finished[0], tmp_path / "project")
    subprocess.run(["rm", "-r", "results/runs"], cwd=folder, check=True)
    pair = ["--task", "cells", "--backbone", "tiny"]
    steps = ("profile", "greedy/forward/1", "greedy/forward/2", "evaluation")
    commands = [["train-step", step, *pair] for step in steps]
    words = [sys.executable, "-c", WITHOUT_SOCKETS, json.dumps(commands)]
    done = subprocess.run(words, cwd=folder, env=real_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    trained = re.findall(r"cells/tiny: (\d+) runs, (\d+) finished before", done.stderr)
    *search, tested = [int(wanted) - int(before) for wanted, before in trained]
    assert search == [18, 0, 12]
    assert tested == sum(what(record)[1] == "test" for record in records(finished[0]).values())
    assert "no network here" not in done.stderr


CLUSTER_WORDS = r"partition|account|slurm|queue|walltime|runtime|mem_|memory_mb|cores|threads|gpu|node|qos|scheduler"


def test_the_config_has_no_cluster_settings():
    schema = json.loads((ROOT / "workflow" / "schemas" / "config.schema.json").read_text())
    names = set(keys(schema))
    assert {"tasks", "recipe", "shards", "epochs"} <= names
    assert not [name for name in names if re.search(CLUSTER_WORDS, name)]


def keys(schema):
    """The names of all properties, at every depth."""
    if isinstance(schema, dict):
        yield from schema.get("properties", {})
        for value in schema.values():
            yield from keys(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from keys(value)


def test_every_setting_of_the_slurm_profile_says_when_to_change_it():
    lines = (ROOT / "profiles" / "slurm" / "profile.yaml").read_text().splitlines()
    settings = [(before, line) for before, line in itertools.pairwise(lines) if re.match(r"[a-z-]+:", line)]
    assert len(settings) > 10
    together = {"keep-going: true", "printshellcmds: true"}  # explained with the line before them
    assert not [line for before, line in settings if not before.startswith("#") and line not in together]


def test_the_slurm_profile_doubles_time_and_memory_of_what_is_sent_again(tmp_path, snakemake):
    """The time up to a limit, beyond which no partition would ever start the job."""
    folder = new_folder(tmp_path / "project")
    for attempt, minutes, memory in ((1, 120, 8000), (3, 480, 32000), (6, 1440, 256000)):
        words = ["--dry-run", "--workflow-profile", str(ROOT / "profiles" / "slurm"), "--attempt", str(attempt)]
        output = snakemake(folder, *words).output
        convert = re.search(r"^rule convert_task:\n(?:    .*\n)*?    resources: .*runtime=(\d+)", output, re.MULTILINE)
        assert int(convert[1]) == min(240 * attempt, 1440)
        found = re.findall(r"^rule train_\w+:\n(?:    .*\n)*?    resources: (.*)", output, re.MULTILINE)
        assert len(found) == 4
        for resources in found:
            assert {f"runtime={minutes}", f"mem_mb={memory}", "gpu=1", "slurm_partition=gpu"} <= {
                *resources.split(", ")
            }


def test_rules_without_a_profile_ask_for_a_day_at_most(tmp_path, snakemake):
    output = snakemake(new_folder(tmp_path), "--dry-run", "--attempt", "9").output
    assert set(re.findall(r"runtime=(\d+)", output)) == {"30", "1440"}


def test_the_groups_that_the_profile_offers_make_one_job_of_a_pair(tmp_path, snakemake):
    """The lines that are commented out in the profile work when their # is removed."""
    text = (ROOT / "profiles" / "slurm" / "profile.yaml").read_text()
    before, _, groups = text.partition("# groups:\n")
    assert groups.count("=pair") == 8
    (tmp_path / "profile.yaml").write_text(before + "groups:\n" + groups.replace("#   - ", "  - "))
    other = {"model": "test_resnet", "weights": "random"}
    folder = new_folder(tmp_path / "project", changed("backbones/other", other, "tune.lr", [0.1, 1]))
    result = snakemake(folder, "--dry-run", "--workflow-profile", str(tmp_path))
    assert result.code == 0, result.output
    _, *blocks = re.split(r"^\[.*\] Group job pair .*:$", result.output, flags=re.MULTILINE)
    pair = ["experiment_table", "greedy_path", "profile_table", *["select_greedy"] * 2, "train_evaluation"]
    pair += ["train_experiment", *["train_greedy"] * 2, "train_profile"]
    assert [re.findall(r"^    rule (\w+):", block, re.MULTILINE) for block in blocks] == [pair, pair]
    assert all(len(set(re.findall(r"backbone=(\w+)", block.partition("\n[")[0]))) == 1 for block in blocks)
