"""The workflow inside other workflows and folders, from a repository, with conda; what TensorBoard shows of it."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

from subtuning.tuning.tuning import Tuning
from tests.workflow.snake import CONFIG, LAYERS, ROOT, copy, jobs, new_folder, records, rules, write_arrays

PARENT = """\
configfile: "own.yaml"

module subtuning:
    snakefile:
        {snakefile}
    config:
        config["layers"]

use rule * from subtuning as st_*

rule mine:
    default_target: True
    input:
        profile="results/cells/tiny/profile.csv",
    output:
        "mine.txt",
    shell:
        "head -n 1 {{input.profile}} > {{output}}"
"""


def parent(folder: Path, snakefile: str = repr(str(ROOT / "workflow/Snakefile"))) -> Path:
    """A workflow of somebody else's that uses this one, with a config of its own style: anchors, other keys."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "Snakefile").write_text(PARENT.format(snakefile=snakefile))
    own = "samples: &all [a, b]\nagain: *all\n" + yaml.safe_dump({"layers": CONFIG})
    (folder / "own.yaml").write_text(own)
    write_arrays(folder / "cells.npz")
    return folder


@pytest.mark.slow
def test_another_workflow_uses_this_one_as_a_module(tmp_path, snakemake):
    folder = parent(tmp_path / "parent")
    result = snakemake(folder, root=folder, PYTHONPATH=str(ROOT))
    assert result.code == 0, result.output
    assert (folder / "mine.txt").read_text().startswith("layer,mean,std,n,")
    assert len(records(folder)) == 2 * (len(LAYERS) + 2), "the profile: each layer, linear and full, on two folds"
    assert sorted(path.name for path in folder.iterdir()) == [
        *(".snakemake", "Snakefile", "cells.npz", "mine.txt", "own.yaml", "results")
    ]
    result = snakemake(folder, root=folder, PYTHONPATH=str(ROOT))
    assert "Nothing to be done" in result.output


def test_a_module_and_the_workflow_itself_agree_on_what_is_done(finished, tmp_path, snakemake):
    """Somebody who wraps finished results into another workflow trains nothing again."""
    folder = parent(copy(finished[0], tmp_path / "project"))
    os.utime(folder / "cells.npz", ns=((finished[0] / "cells.npz").stat().st_mtime_ns,) * 2)
    result = snakemake(folder, "--dry-run", "mine", "st_all", root=folder, PYTHONPATH=str(ROOT))
    assert result.code == 0, result.output
    assert rules(result.output) == {"mine": 1}, result.output


def test_in_a_module_the_same_rules_are_local(tmp_path, snakemake):
    """On a cluster, fetching must not end up on a compute node: `localrules:` would not know the new names."""
    result = snakemake(parent(tmp_path), "--dry-run", "st_all", root=tmp_path, PYTHONPATH=str(ROOT))
    assert "localrules directive" not in result.output
    assert {name.removeprefix("st_") for name in rules(result.output)} == {
        *(
            "all",
            "answer",
            "check_plan",
            "convert_task",
            "describe_backbone",
            "deliver",
            "draw_figures",
            "errors",
            "evaluation_table",
            "fetch_weights",
        ),
        *("greedy_path", "profile_table", "select_greedy", "summary", "train_evaluation", "train_greedy"),
        "train_profile",
    }


def test_a_wrong_config_of_a_module_is_one_sentence(tmp_path, snakemake):
    folder = parent(tmp_path)
    (folder / "own.yaml").write_text(yaml.safe_dump({"layers": CONFIG | {"recipes": {}}}))
    result = snakemake(folder, root=folder, PYTHONPATH=str(ROOT))
    assert result.code != 0
    assert "error: config: unknown key 'recipes' (did you mean 'recipe'?)" in result.output
    assert "Traceback" not in result.output


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """What is published: the tracked files, as a git repository."""
    folder = tmp_path_factory.mktemp("repository")
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    kept = [name for name in names.split("\0") if name and (ROOT / name).is_file()]
    subprocess.run(["cp", "--parents", "-t", folder, *kept], cwd=ROOT, check=True)
    git = ["git", "-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "init.defaultBranch=main"]
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "all"]):
        subprocess.run([*git, *words], cwd=folder, check=True)
    return folder


def test_a_module_from_a_repository_as_the_catalog_deploys_it(repository, tmp_path, snakemake):
    """`snakedeploy` writes `snakefile: github(...)`; Snakemake then has no folder of this workflow, only its files."""
    where = f'gitfile("{repository}", path="workflow/Snakefile", ref="main")'
    folder = parent(tmp_path / "parent", where)
    more = {"PYTHONPATH": str(ROOT), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    result = snakemake(folder, "--dry-run", root=folder, **more)
    assert result.code == 0, result.output
    assert sorted(rules(result.output)) == sorted(
        [
            "mine",
            "st_check_plan",
            "st_convert_task",
            "st_describe_backbone",
            "st_fetch_weights",
            "st_profile_table",
            "st_train_profile",
        ]
    )


def test_with_directory_everything_is_made_there(tmp_path, snakemake):
    folder, here = new_folder(tmp_path / "project"), tmp_path / "here"
    here.mkdir()
    words = ["--directory", str(folder), "results/tasks/cells/task.json", "results/backbones/tiny/layers.json"]
    result = snakemake(here, *words)
    assert result.code == 0, result.output
    assert list(here.iterdir()) == []
    assert json.loads((folder / "results/tasks/cells/task.json").read_text())["counts"]["test"] == 60
    found = snakemake(here, "--directory", str(folder), "--dry-run")
    assert "train_profile" in rules(found.output)
    assert not {"convert_task", "fetch_weights", "describe_backbone"} & set(rules(found.output))


CONDA = """\
#!/bin/sh
case "$*" in
  "info --json") echo '{{"conda_prefix": "{folder}", "conda_version": "25.1.0", "platform": "linux-64"}}' ;;
  "--version") echo "conda 25.1.0" ;;
  config*) echo '{{"get": {{"channel_priority": "strict"}}}}' ;;
  *) echo "conda $*" >> "{folder}/calls"; exit 1 ;;
esac
"""


def test_sdm_conda_plans_one_environment_for_all_rules(tmp_path, snakemake, warm_environment):
    """With a conda that only says its version: the environment file is found, read, and the same for every rule."""
    folder, conda = new_folder(tmp_path / "project"), tmp_path / "conda" / "bin"
    conda.mkdir(parents=True)
    (conda / "conda").write_text(CONDA.format(folder=conda.parent))
    (conda / "conda").chmod(0o755)
    (conda / "activate").touch()
    result = snakemake(folder, "--dry-run", "--sdm", "conda", PATH=f"{conda}{os.pathsep}{warm_environment['PATH']}")
    assert result.code == 0, result.output
    planned = re.findall(r"^Conda environment (\S+) will be created\.$", result.output, re.MULTILINE)
    assert [(folder / path).resolve() for path in planned] == [ROOT / "environment.yml"]
    assert len(jobs(result.output)) == 19
    assert not (conda.parent / "calls").exists()


TAGS = {"train_loss", "train_accuracy", "lr", "scored/accuracy", "scored/loss"}


@pytest.fixture(scope="module")
def events(finished):
    """What TensorBoard reads from `results/tensorboard` of a whole small run."""
    return EventMultiplexer().AddRunsFromDirectory(str(finished[0] / "results/tensorboard")).Reload()


def test_tensorboard_shows_each_training_once_under_a_readable_name(events, finished):
    wanted = set()
    for record in records(finished[0]).values():
        identity = record["identity"]
        layers = Tuning.of_identity(identity)
        split = f"fold{identity['fold'] + 1}of2" if identity["split"] == "cv" else identity["split"]
        wanted.add(f"cells/tiny/{layers}/{split}-seed{identity['seed']}-{record['id'][:6]}")
    assert set(events.Runs()) == wanted
    assert len(wanted) == len(records(finished[0]))
    assert all(re.fullmatch(r"cells/tiny/[a-z0-9.+]+/(fold[12]of2|test)-seed\d-[0-9a-f]{6}", name) for name in wanted)


def test_tensorboard_shows_every_epoch_and_the_score_of_the_store(events, finished):
    by_id = {record["id"][:6]: record for record in records(finished[0]).values()}
    for name, tags in events.Runs().items():
        record = by_id[name[-6:]]
        assert set(tags["scalars"]) == TAGS
        curve = [(point["epoch"], pytest.approx(point["train_loss"])) for point in record["curve"]]
        assert [(event.step, event.value) for event in events.Scalars(name, "train_loss")] == curve
        (score,) = events.Scalars(name, "scored/accuracy")
        assert (score.step, score.value) == (1, pytest.approx(record["metrics"]["accuracy"]))


def test_a_removed_folder_of_curves_comes_back_from_the_store(finished, tmp_path, subtuning, events):
    folder = copy(finished[0], tmp_path / "project")
    subprocess.run(["rm", "-r", "results/tensorboard/cells/tiny/linear"], cwd=folder, check=True)
    before = set(records(folder))
    words = ["train", "--task", "cells", "--backbone", "tiny", "--layers", "linear", "--split", "test", "--seeds", "2"]
    assert subtuning(folder, *words).code == 0
    again = EventMultiplexer().AddRunsFromDirectory(str(folder / "results/tensorboard")).Reload()
    wanted = {name for name in events.Runs() if name.startswith("cells/tiny/linear/test-")}
    assert {name for name in again.Runs() if "/linear/" in name} == wanted
    assert len(wanted) == 2
    assert set(records(folder)) == before, "nothing is trained for it"
