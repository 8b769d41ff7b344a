"""The command `subtuning` as a user types it."""

import json
import re
import subprocess
import sys

import pytest

from subtuning import __version__
from subtuning.cli import OF_THE_WORKFLOW, VERBS
from tests.workflow.snake import CONFIG, LAYERS, ROOT, changed, copy, new_folder, new_runs, records, write_config

TRAIN = ["train", "--task", "cells", "--backbone", "tiny"]


@pytest.fixture
def folder(finished, tmp_path):
    """A copy of the finished run."""
    return copy(finished[0], tmp_path / "project")


def table(text):
    """The rows of a printed table, each a list of cells."""
    lines = text.splitlines()
    rule = next(number for number, line in enumerate(lines) if re.fullmatch(r"[- ]+", line) and "--" in line)
    places = [match.span() for match in re.finditer(r"-+", lines[rule])]
    rows = lines[rule + 1 :]
    return [[row[start:end].strip() for start, end in places] for row in rows if row[: places[0][1]].strip()]


def imported(folder, *words):
    """Which of the slow packages a fresh process imports for a command, after checking that the command works."""
    code = (
        "import sys; from subtuning.cli import main; code = main(sys.argv[1:]); "
        "slow = {'torch', 'timm', 'matplotlib', 'pandas', 'snakemake', 'sklearn'}; "
        "print('imported', *sorted(slow & set(sys.modules))); sys.exit(code)"
    )
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    words = [sys.executable, "-c", code, *words]
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split()[1:]), done


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb, subtuning, tmp_path):
    result = subtuning(tmp_path, verb, "--help")
    assert result.code == 0
    assert f"usage: subtuning {verb}" in result.output
    description = VERBS[verb][1]
    assert description.capitalize() in result.output.replace("\n", " ")


def test_help_lists_all_verbs(subtuning, tmp_path):
    result = subtuning(tmp_path, "--help")
    assert result.code == 0
    for verb, (_, description) in VERBS.items():
        assert re.search(rf"^    {verb}\s+{re.escape(description[:20])}", result.output, re.MULTILINE), verb
    people, workflow = result.output.partition("for people:")[2].split("used by the workflow")
    assert "    train  " in people
    assert "    train-step  " in workflow


def test_version(subtuning, tmp_path):
    assert subtuning(tmp_path, "--version").output == f"subtuning {__version__}\n"


def test_an_unknown_verb(subtuning, tmp_path):
    result = subtuning(tmp_path, "trian")
    assert result.code == 2
    assert "invalid choice: 'trian'" in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("words", [[], ["train"], ["convert"], ["train-step", "profile", "--task", "a"]])
def test_missing_arguments(words, subtuning, tmp_path):
    result = subtuning(tmp_path, *words)
    assert result.code == 2
    assert "the following arguments are required" in result.output


def test_every_verb_of_the_rules_is_there():
    text = "\n".join(file.read_text() for file in (ROOT / "rules").glob("*.smk"))
    assert set(re.findall(r"^        subtuning ([a-z-]+) ", text, re.MULTILINE)) == OF_THE_WORKFLOW
    assert set(VERBS) > OF_THE_WORKFLOW


def test_layers_of_a_backbone_and_of_any_model(subtuning, folder):
    mine = subtuning(folder, "layers", "tiny")
    assert mine.code == 0
    assert "test_vit, 32 x 32 pixels, 64 features" in mine.output
    rows = table(mine.output)
    assert [row[0] for row in rows[:9]] == [*LAYERS, "tail", "all"]
    parameters = [int(row[2].replace(",", "")) for row in rows[:9]]
    assert sum(parameters[:-1]) == parameters[-1]
    described = json.loads((folder / "results/backbones/tiny/layers.json").read_text())
    assert parameters[:-1] == [row["parameters"] for row in described["layers"]]
    other = subtuning(folder, "layers", "test_resnet", "--granularity", "stage", "--input-size", "64")
    assert other.code == 0
    assert "test_resnet, 64 x 64 pixels" in other.output
    assert "layer4" in [row[0] for row in table(other.output)]


def test_layers_of_a_model_that_does_not_exist(subtuning, folder):
    result = subtuning(folder, "layers", "resnet5")
    assert result.code == 2
    assert result.output.startswith("error: timm has no model 'resnet5' (did you mean 'resnet")
    assert result.output.count("\n") == 1


def test_train_tries_a_subset_by_hand(subtuning, folder):
    before = records(folder)
    words = [*TRAIN, "--layers", "blocks.5,stem", "--seeds", "2"]
    result = subtuning(folder, *words)
    assert result.code == 0, result.output
    assert new_runs(folder, before) == {("stem+blocks.5", "val", None, seed) for seed in (0, 1)}
    assert "2 runs, 0 finished before" in result.output
    (row,) = table(result.output)
    assert row[0] == "stem+blocks.5"
    assert row[3] == "2"
    again = subtuning(folder, *words)
    assert "2 runs, 2 finished before" in again.output
    assert table(again.output) == [row]


def test_train_prepares_what_is_not_there(subtuning, tmp_path):
    folder = new_folder(tmp_path / "project", CONFIG)
    result = subtuning(folder, *TRAIN, "--layers", "linear")
    assert result.code == 0, result.output
    assert new_runs(folder, {}) == {("linear", "val", None, 0)}


def test_train_uses_what_the_config_says_now(subtuning, folder):
    """Not what was prepared for another config."""
    write_config(folder, changed("backbones/tiny/input_size", 48, "tasks/cells/val", 30))
    before = records(folder)
    result = subtuning(folder, *TRAIN, "--layers", "linear")
    assert result.code == 0, result.output
    (record,) = (record for name, record in records(folder).items() if name not in before)
    assert record["identity"]["backbone"]["input_size"] == 48
    assert record["metrics"]["n"] == 30


def test_training_nothing_does_not_import_torch(folder):
    words = [
        "train",
        "--task",
        "cells",
        "--backbone",
        "tiny",
        "--layers",
        "linear",
        "--layers",
        "full",
        "--split",
        "cv",
    ]
    slow, done = imported(folder, *words)
    assert slow == set()
    assert "4 runs, 4 finished before" in done.stderr


@pytest.mark.parametrize("words", [["status"], ["runs"], ["clean"], ["plan"], ["schema"]])
def test_verbs_that_only_look_import_nothing_slow(words, folder):
    slow, _ = imported(folder, *words)
    assert slow == set()


def test_the_first_round_of_greedy_does_not_import_torch(folder):
    words = ["train-step", "greedy/forward/1", "--task", "cells", "--backbone", "tiny"]
    slow, done = imported(folder, *words, "--out", "round.json")
    assert slow == set()
    assert "16 runs, 16 finished before" in done.stderr


def test_wrong_words_to_train(subtuning, folder):
    words = [*TRAIN, "--layers", "stem"]
    for wrong, sentence in {
        ("--layers", "block.5"): "error: layer 'block.5' is not in this backbone (did you mean 'blocks.5'?)",
        ("--task", "cell"): "error: tasks: there is no 'cell' in the config (did you mean 'cells'?)",
        ("--backbone", "big"): "error: backbones: there is no 'big' in the config; there are tiny",
        ("--config", "none.yaml"): "error: config file none.yaml does not exist; ",
        ("--recipe", '{"lr": -1}'): "error: --recipe: lr is -1; it must be a number above 0",
        ("--device", "cuda:9"): "error: --device cuda",
        ("--device", "gpu"): "error: --device gpu is not here; use auto or one of cpu",
    }.items():
        result = subtuning(folder, *words, *wrong)
        assert result.code == 2, wrong
        assert result.output.splitlines()[-1].startswith(sentence)
        assert "Traceback" not in result.output
    result = subtuning(folder, *words, "--recipe", "{")
    assert result.code == 2
    assert "--recipe: not valid JSON" in result.output
    assert "--seeds: '0' is not a whole number above 0" in subtuning(folder, *words, "--seeds", "0").output


def test_train_changes_what_recipe_says_and_nothing_else(subtuning, folder):
    before = records(folder)
    result = subtuning(folder, *TRAIN, "--layers", "linear", "--recipe", '{"lr": 0.004}')
    assert result.code == 0, result.output
    (new,) = (record for name, record in records(folder).items() if name not in before)
    recipe = new["identity"]["recipe"]
    assert (recipe["lr"], recipe["epochs"], recipe["batch_size"]) == (0.004, 1, 20)


def test_status_counts_what_is_done_and_missing(subtuning, folder):
    result = subtuning(folder, "status")
    assert result.code == 0
    rows = {row[2]: row[3:8] for row in table(result.output) if row[0] == "cells"}
    evaluated = sum(record["identity"]["split"] == "test" for record in records(folder).values())
    assert rows["profile"] == ["18", "0", "0", "0", "0"]
    assert rows["greedy/forward/1"] == ["16", "0", "0", "0", "0"], "the base, and each layer"
    assert rows["greedy/forward/2"] == ["12", "0", "0", "0", "0"]
    assert rows["evaluation"] == [str(evaluated), "0", "0", "0", "0"]
    assert len(records(folder)) == 18 + 12 + evaluated
    write_config(folder, changed("evaluate.seeds", 5, "recipe.lr", 2e-3))
    rows = {row[2]: row[3:6:2] for row in table(subtuning(folder, "status").output)}
    assert rows["evaluation"] == [str(evaluated), str(evaluated // 2 * 3)]
    write_config(folder, changed("recipe.lr", 5e-3))
    rows = {row[2]: row[3:6:2] for row in table(subtuning(folder, "status").output)}
    assert rows["profile"] == ["0", "18"]


def test_status_before_anything_is_made(subtuning, tmp_path):
    folder = new_folder(tmp_path / "project", CONFIG)
    result = subtuning(folder, "status")
    assert result.code == 0
    assert "not prepared yet" in result.output
    assert not (folder / "results").exists()


def test_status_counts_interrupted_and_diverged_runs(subtuning, folder):
    found = records(folder)
    of_profile = [record for record in found.values() if record["identity"]["split"] == "cv"]
    first, second = sorted(of_profile, key=lambda record: len(record["identity"]["subset"]))[:2]
    (folder / "results/checkpoints").mkdir(exist_ok=True)
    (folder / "results/checkpoints" / f"{first['id']}.pt").touch()
    (folder / "results/runs" / first["id"][:2] / f"{first['id']}.json").unlink()
    file = folder / "results/runs" / second["id"][:2] / f"{second['id']}.json"
    file.write_text(json.dumps(second | {"status": "diverged", "metrics": None}))
    rows = {row[2]: row[3:8] for row in table(subtuning(folder, "status").output)}
    assert rows["profile"] == ["17", "0", "1", "1", "1"]


def test_runs_lists_what_is_asked_for(subtuning, folder):
    found = records(folder)
    everything = table(subtuning(folder, "runs").output)
    assert len(everything) == len(found)
    assert {row[0] for row in everything} == {name[:8] for name in found}
    on_test = table(subtuning(folder, "runs", "--split", "test").output)
    assert len(on_test) == sum(record["identity"]["split"] == "test" for record in found.values())
    one = next(iter(found))
    (row,) = table(subtuning(folder, "runs", "--id", one[:8]).output)
    assert float(row[6]) == pytest.approx(100 * found[one]["metrics"]["accuracy"], abs=0.006)
    assert table(subtuning(folder, "runs", "--status", "diverged").output) == []
    assert table(subtuning(folder, "runs", "--task", "other").output) == []


def test_output_that_nobody_reads_to_its_end(folder, warm_environment):
    words = ["sh", "-c", "subtuning runs | head -n 1"]
    done = subprocess.run(words, cwd=folder, env=warm_environment, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("id ")
    assert done.stderr == ""


def test_status_counts_the_best_layer_beside_the_greedy_subset(subtuning, folder):
    write_config(folder, changed("greedy.epsilon", 1.0))  # greedy keeps none
    rows = {row[2]: row[3:6:2] for row in table(subtuning(folder, "status").output)}
    assert sum(map(int, rows["evaluation"])) == 2 * 3, "linear probing is the greedy subset; best layer; full"


def test_python_m_is_the_same_command(tmp_path):
    words = [sys.executable, "-m", "subtuning", "status", "--config", "none.yaml"]
    done = subprocess.run(
        words, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: config file none.yaml does not exist")
