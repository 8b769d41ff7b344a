"""One value changes: what depends on it is made again, and nothing else.

First which jobs the real DAG shows, for two tasks and two backbones whose files were made by a stand-in for the command
`subtuning`; then, on a folder that really was trained, which runs are added to the store.
"""

import json
import shutil
import zipfile
from collections import Counter

import pytest

from subtuning.analysis.files import read_csv
from tests.workflow.snake import (
    LAYERS,
    ROOT,
    SNAKEMAKE,
    call,
    changed,
    copy,
    jobs,
    new_folder,
    new_runs,
    real_environment,
    records,
    rules,
    what,
    write_arrays,
    write_config,
)

STAND_IN = """\
#!/bin/sh
# Makes the files that a verb of subtuning makes, without their content.
verb=$1
while [ $# -gt 0 ]; do
    case $1 in
        --task) task=$2 ;; --backbone) backbone=$2 ;; --out) out=$2; also=$3 ;; --profile-test) test=_test ;;
        --tables) tables=$2 ;; --experiment) experiment=$(basename $2 .csv) ;;
    esac
    shift
done
make() { for file; do mkdir -p "$(dirname "$file")"; date +%N > "$file"; done; }
case $verb in
    convert) make $out/train/images.npy $out/train/labels.npy $out/val/images.npy $out/val/labels.npy \
                  $out/test/images.npy $out/test/labels.npy $out/names.json $out/task.json ;;
    fetch) make results/backbones/$backbone/weights.safetensors ;;
    describe) make results/backbones/$backbone/layers.json ;;
    conclude|profiles) make $out ${also%%--*} ;;
    figures) if [ $test ]; then set -- profile_test; else set -- ${experiment:-profile greedy tradeoff}; fi
             for name; do make $out/$name.svg $out/$name.png; done ;;
    deliver) make $out/config.json $out/model.safetensors $out/delta.safetensors $out/README.md $out/predict.py ;;
    tables) for name in summary comparison ranks; do for end in csv md html tex; do make $out/$name.$end; done; done
            make $out/all.csv results/figures/ranks.svg results/figures/ranks.png ;;
    answer) make $out/answer.md; for name in answer profile greedy evaluation; do make $out/$name.html; done ;;
    errors) make $tables/classes.csv $tables/mistakes.csv
            for name in confusion confusion_cv recalls mistakes mistakes_cv; do
                make $out/$name.svg $out/$name.png
            done ;;
    *) make $out ;;
esac
"""

NEW_NUMBERS = "\nCHANGES += (Change(1000, 'other numbers', lambda identity: True),)\n"

TWO_BY_TWO = changed(
    *("tasks/more", {"source": "arrays", "path": "more.npz"}),
    *("backbones/other", {"model": "test_resnet", "weights": "other.safetensors", "input_size": 32}),
)

DRAWN = {
    "train_evaluation": 4,
    "evaluation_table": 4,
    "deliver": 4,
    "draw_figures": 4,
    "answer": 4,
    "errors": 4,
    "summary": 1,
    "all": 1,
}
SEARCHED = {"train_greedy": 8, "select_greedy": 8, "greedy_path": 4, **DRAWN}
SHARED = {"draw_profiles": 1, "draw_layers_of_tasks": 2}
SHARDED = {"train_profile": 8, "profile_table": 4, **SHARED, **SEARCHED}
TRAINED = {**SHARDED, "check_plan": 4, "train_profile": 4}
OF_BACKBONE = {rule: count // 2 if count > 1 else 1 for rule, count in TRAINED.items()}
OF_TASK = {**OF_BACKBONE, "draw_layers_of_tasks": 2}
"""The same for one of the two backbones, or one of the two tasks."""

TESTED = {"train_profile_test": 4, "profile_test_table": 4, "draw_profile_test": 4, "all": 1}

CHANGES = {
    "epochs": (["recipe.epochs", 2], TRAINED, ""),
    "a recipe of one backbone": (["backbones/other/recipe", {"lr": 0.01}], OF_BACKBONE, "backbone=other"),
    "a recipe of one task": (["tasks/more/recipe", {"lr": 0.01}], OF_TASK, "task=more"),
    "a default is written out": (["recipe.weight_decay", 0.01], {}, ""),
    "folds": (["profile.folds", 3], TRAINED, ""),
    "folds of greedy": (["greedy.folds", 3], SEARCHED, ""),
    "shards": (["profile.shards", 2], {**SHARDED, "check_plan": 4}, ""),
    "shards of greedy": (["greedy.shards", 2], {**SEARCHED, "train_greedy": 16}, ""),
    "one round more": (["greedy.max_rounds", 3], {**SEARCHED, "train_greedy": 4, "select_greedy": 4}, "round=3"),
    "one round less": (["greedy.max_rounds", 1], {"greedy_path": 4, **DRAWN}, ""),
    "the other direction too": (["greedy.start", "best"], SEARCHED, "direction=backward"),
    "epsilon": (["greedy.epsilon", 0.01], {"greedy_path": 4, **DRAWN}, ""),
    "the stop": (["greedy.stop", "test"], {"greedy_path": 4, **DRAWN}, ""),
    "seeds of the search": (["search.seeds", 2], TRAINED, ""),
    "another first seed": (["search.first_seed", 100], TRAINED, ""),
    "the metric": (["search.metric", "macro_f1"], TRAINED, ""),
    "the effort": (["search.effort", "fast"], TRAINED, ""),
    "another way of training": (["search.how", "lora(rank=2)"], TRAINED, ""),
    "seeds": (["evaluate.seeds", 3], DRAWN, ""),
    "tuned rates": (
        ["tune.lr", [0.1, 1]],
        {"train_experiment": 4, "experiment_table": 4, "draw_experiment": 4, **DRAWN},
        "",
    ),
    "another method to deliver": (["deliver.method", "full"], {"deliver": 4, "all": 1}, ""),
    "another subset": (["evaluate/subsets", {"mine": ["stem"]}], DRAWN, ""),
    "a profile on test": (["profile.test_seeds", 1], TESTED, ""),
    "input size": (["backbones/other/input_size", 64], {"describe_backbone": 1, **OF_BACKBONE}, "backbone=other"),
    "how a task is split": (["tasks/more/split_seed", 1], {"convert_task": 1, **OF_TASK}, "task=more"),
    "another task": (
        ["tasks/third", {"source": "arrays", "path": "cells.npz"}],
        {"convert_task": 1, **OF_TASK},
        "task=third",
    ),
    "another model": (
        ["backbones/other/model", "test_vit2"],
        {"fetch_weights": 1, "describe_backbone": 1, **OF_BACKBONE},
        "backbone=other",
    ),
}
"""What: (the change, the jobs it leads to, a wildcard that all of these have but for tables over everything)."""


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory, warm_environment):
    """PATH with the stand-in first."""
    folder = tmp_path_factory.mktemp("stand_in")
    (folder / "subtuning").write_text(STAND_IN)
    (folder / "subtuning").chmod(0o755)
    return {"PATH": f"{folder}:{warm_environment['PATH']}"}


@pytest.fixture(scope="module")
def made(tmp_path_factory, snakemake, stand_in):
    """A folder in which everything is made; not to be changed."""
    folder = new_folder(tmp_path_factory.mktemp("made") / "project", TWO_BY_TWO)
    write_arrays(folder / "more.npz", seed=1)
    (folder / "other.safetensors").write_text("weights")
    result = snakemake(folder, "--cores", "8", **stand_in)
    assert result.code == 0, result.output
    return folder


@pytest.fixture
def folder(made, tmp_path):
    return copy(made, tmp_path / "copy")


def planned(snakemake, folder, **more):
    result = snakemake(folder, "--dry-run", **more)
    assert result.code == 0, result.output
    return jobs(result.output)


def all_have(found, wildcard):
    named = [job for job in found if job.wildcards and job.rule not in ("greedy_path", *SHARED, *DRAWN)]
    return all(wildcard in f"{job.wildcards} " for job in named)


def test_nothing_changes(snakemake, folder):
    assert planned(snakemake, folder) == []


@pytest.mark.parametrize("case", CHANGES)
def test_a_value_of_the_config_changes(case, snakemake, folder):
    values, expected, wildcard = CHANGES[case]
    write_config(folder, changed(*values, config=TWO_BY_TWO))
    found = planned(snakemake, folder)
    assert Counter(job.rule for job in found) == expected
    assert all_have(found, wildcard)


def test_the_file_of_one_task_changes(snakemake, folder):
    write_arrays(folder / "more.npz", seed=2)
    found = planned(snakemake, folder)
    assert Counter(job.rule for job in found) == {"convert_task": 1, **OF_TASK}
    assert all_have(found, "task=more")


def test_an_image_of_a_folder_changes(snakemake, tmp_path, stand_in):
    images = tmp_path / "pictures"
    for name in ("a/0.png", "b/0.png"):
        (images / name).parent.mkdir(parents=True)
        (images / name).write_text("as large")
    config = changed("tasks/more", {"source": "folder", "path": "pictures"})
    folder = new_folder(tmp_path, config)
    assert snakemake(folder, **stand_in).code == 0
    assert planned(snakemake, folder) == []
    (images / "b/0.png").write_text("AS LARGE")
    found = planned(snakemake, folder)
    assert found
    assert all_have(found, "task=more")
    assert "convert_task" in {job.rule for job in found}
    assert "fetch_weights" not in {job.rule for job in found}


def test_a_weights_file_changes(snakemake, folder):
    (folder / "other.safetensors").write_text("better weights")
    found = planned(snakemake, folder)
    assert Counter(job.rule for job in found) == {
        "fetch_weights": 1, "describe_backbone": 1, **OF_BACKBONE
    }  # fmt: skip
    assert all_have(found, "backbone=other")


@pytest.fixture
def checkout(tmp_path):
    """A copy of the project's code, to be edited."""
    for name in ("subtuning", "workflow", "rules", "profiles"):
        shutil.copytree(ROOT / name, tmp_path / "checkout" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("Snakefile", "environment.yml"):
        shutil.copy(ROOT / name, tmp_path / "checkout")
    return tmp_path / "checkout"


def edit(file, text):
    file.write_text(file.read_text() + text)


def test_a_comment_or_docstring_in_numerical_code_changes(snakemake, folder, checkout):
    edit(checkout / "subtuning/training/loop.py", "\n\n# a remark\n'''And a text.'''\n")
    edit(checkout / "subtuning/analysis/figures/profile.py", "\n# a remark\n")
    assert planned(snakemake, folder, root=checkout) == []


def test_the_numbers_change(snakemake, folder, checkout):
    edit(checkout / "subtuning/runs/numbers.py", NEW_NUMBERS)
    found = planned(snakemake, folder, root=checkout)
    assert Counter(job.rule for job in found) == {"describe_backbone": 2, **TRAINED}
    assert all("Params have changed" in job.reason for job in found if job.rule == "describe_backbone")


@pytest.mark.parametrize("file", ["cli/steps.py", "training/loop.py"])
def test_code_that_changes_no_number_changes(file, snakemake, folder, checkout):
    edit(checkout / "subtuning" / file, "\nSOMETHING = 1\n")
    assert planned(snakemake, folder, root=checkout) == []


def test_a_formula_of_the_tables_changes(snakemake, folder, checkout):
    """Tables and figures are made anew, and nothing is trained."""
    edit(checkout / "subtuning/analysis/statistics.py", "\nSOMETHING = 1\n")
    found = {job.rule for job in planned(snakemake, folder, root=checkout)}
    assert {"profile_table", "select_greedy", "greedy_path", "evaluation_table", "summary"} <= found
    assert "train_profile" not in found


def test_the_style_of_figures_changes(snakemake, folder, checkout):
    edit(checkout / "subtuning/analysis/figures/style.py", "\nSOMETHING = 1\n")
    found = planned(snakemake, folder, root=checkout)
    assert Counter(job.rule for job in found) == {"draw_figures": 4, "errors": 4, "summary": 1, "all": 1, **SHARED}


# What is really trained.


@pytest.fixture
def trained(finished, tmp_path):
    """A copy of the finished run, to be changed."""
    return copy(finished[0], tmp_path / "project")


EVALUATION = "results/cells/tiny/evaluation.csv"


def rerun(snakemake, folder, *change, target=(EVALUATION,), **more):
    """Change a value, run all that trains, and say what was trained and what was printed."""
    before = records(folder)
    times = {file: file.stat().st_mtime_ns for file in (folder / "results/runs").glob("*/*.json")}
    write_config(folder, changed(*change))
    result = snakemake(folder, *target, **more)
    assert result.code == 0, result.output
    assert times == {file: file.stat().st_mtime_ns for file in times}, "a finished record was written again"
    return new_runs(folder, before), result.output


def selected(folder):
    return json.loads((folder / "results/cells/tiny/selected.json").read_text())["tuning"]


def test_a_further_seed_trains_that_seed_only(snakemake, trained):
    found, _ = rerun(snakemake, trained, "evaluate.seeds", 3)
    methods = {"linear", "full", *read_csv(trained / EVALUATION)["layers"]}
    assert found == {(name, "test", None, 2) for name in methods}
    assert set(read_csv(trained / EVALUATION)["n"]) == {3}


def test_epsilon_trains_nothing(snakemake, trained):
    """With an epsilon that no round reaches, the subset is that of linear probing, which was evaluated before."""
    assert selected(trained)
    found, output = rerun(snakemake, trained, "greedy.epsilon", 1.0)
    assert selected(trained) == "linear"
    assert found == set()
    assert "train_greedy" not in rules(output)
    table = read_csv(trained / EVALUATION).set_index("method")
    assert table.loc["greedy", "layers"] == "linear"
    assert table.loc["greedy", "mean"] == table.loc["linear", "mean"]
    back, _ = rerun(snakemake, trained, "greedy.epsilon", 0.0)
    assert selected(trained)
    assert back == set(), "the earlier subset's runs are still in the store"


def test_shards_train_nothing_and_change_no_table(snakemake, trained):
    tables = [trained / "results/cells/tiny" / f"{name}.csv" for name in ("profile", "greedy", "evaluation")]
    before = [table.read_text() for table in tables]
    found, output = rerun(snakemake, trained, "profile.shards", 4, "greedy.shards", 2)
    assert found == set()
    assert rules(output)["train_profile"] == 4
    assert [table.read_text() for table in tables] == before


def let_the_second_round_improve(snakemake, folder):
    """Whether it does depends on the machine's last bits; here a pair is made to win."""
    first = json.loads((folder / "results/cells/tiny/greedy/forward/round1.json").read_text())
    other = next(name for name in reversed(LAYERS) if name != first["choice"])
    pair = "+".join(name for name in LAYERS if name in (other, first["choice"]))
    for record in records(folder).values():
        if record["identity"]["subset"] == pair.split("+"):
            record["metrics"]["accuracy"] = 1.0
            (folder / f"results/runs/{record['id'][:2]}/{record['id']}.json").write_text(json.dumps(record))
    assert snakemake(folder, "--forcerun", "select_greedy", "--", EVALUATION).code == 0
    assert selected(folder) == pair
    return pair


def test_one_round_more_trains_that_round_only_and_one_after_the_stop_nothing(snakemake, trained):
    pair = let_the_second_round_improve(snakemake, trained)
    found, _ = rerun(snakemake, trained, "greedy.max_rounds", 3)
    third = json.loads((trained / "results/cells/tiny/greedy/forward/round3.json").read_text())
    assert third["base"] == pair
    two = pair.split("+")
    triples = ["+".join(name for name in LAYERS if name in (*two, more)) for more in LAYERS if more not in two]
    expected = {(triple, "cv", fold, 0) for triple in triples for fold in (0, 1)}
    assert len(triples) == len(LAYERS) - 2
    assert found == expected
    assert third["stopped"], "a pair that is always right cannot be improved"
    found, output = rerun(snakemake, trained, "greedy.max_rounds", 4)
    fourth = json.loads((trained / "results/cells/tiny/greedy/forward/round4.json").read_text())
    assert fourth["stopped"]
    assert fourth["candidates"] == []
    assert fourth["tuning"] == selected(trained) == pair
    assert found == set()
    assert rules(output)["train_greedy"] == 1


def test_scored_on_val_from_both_ends_and_with_a_profile_on_test(snakemake, trained, warm_environment):
    change = ["greedy.split", "val", "greedy.start", "best", "greedy.max_rounds", 1, "profile.test_seeds", 1]
    before = {what(record) for record in records(trained).values()}
    found, _ = rerun(snakemake, trained, *change, target=())
    all_but = ["+".join(name for name in [*LAYERS, "tail"] if name != left) for left in LAYERS]
    alone = [*LAYERS, "linear", "full"]
    expected = {(name, "val", None, 0) for name in [*alone, *all_but]}
    expected |= {(name, "test", None, 0) for name in alone}
    chosen = selected(trained)
    expected |= {(chosen, "test", None, seed) for seed in (0, 1)}
    assert found == expected - before
    table = read_csv(trained / "results/cells/tiny/greedy.csv")
    assert set(table["direction"]) == {"forward", "backward"}
    assert set(table["n"]) == {1}
    assert set(read_csv(trained / "results/cells/tiny/profile_test.csv")["n"]) == {1}
    words = ["warm-snakemake", "--snakefile", str(ROOT / "Snakefile"), "--report", "report.zip"]
    assert call(words, trained, warm_environment).code == 0
    with zipfile.ZipFile(trained / "report.zip") as archive:
        page = archive.read(next(name for name in archive.namelist() if name.endswith("report.html"))).decode()
    assert "or trained on the" in page, "what `val` means"
    assert "Finetuning profile of cells, tiny, on the test set" in page.replace("</strong>", "").replace("<strong>", "")


def test_fewer_rounds_train_nothing_but_what_is_newly_compared(snakemake, trained):
    found, _ = rerun(snakemake, trained, "greedy.max_rounds", 1)
    assert found == set(), "the subset is now the best layer, which was compared before"
    assert "+" not in selected(trained)


def test_more_folds_train_all_of_them_anew(snakemake, trained):
    """Three folds hold out other images than two, so no run is shared."""
    found, _ = rerun(snakemake, trained, "profile.folds", 3, target=["results/cells/tiny/profile.csv"])
    assert found == {(name, "cv", fold, 0) for name in [*LAYERS, "linear", "full"] for fold in range(3)}


def test_a_subset_of_the_users_is_compared(snakemake, trained):
    found, output = rerun(snakemake, trained, "evaluate/subsets", {"mine": ["blocks.4", "stem"]})
    assert found == {("stem+blocks.4", "test", None, seed) for seed in (0, 1)}
    assert "train_profile" not in rules(output)
    table = read_csv(trained / EVALUATION).set_index("method")
    assert table.loc["mine", "layers"] == "stem+blocks.4"


def test_numbers_that_changed_are_trained_anew_and_that_is_said(snakemake, trained, checkout):
    edit(checkout / "subtuning/runs/numbers.py", NEW_NUMBERS)
    target = ["results/cells/tiny/profile.csv"]
    found, output = rerun(snakemake, trained, target=target, root=checkout)
    assert found == {(name, "cv", fold, 0) for name in [*LAYERS, "linear", "full"] for fold in (0, 1)}
    assert "18 of them were finished with numbers of another version; training anew" in output
    again, _ = rerun(snakemake, trained, target=target)
    assert again == set(), "the runs of the code before the edit are still there"


def test_jobs_use_the_code_of_the_rules(trained, checkout):
    """Two checkouts, one environment: the rules' package, not the installed one, is what the jobs import."""
    edit(checkout / "subtuning/cli/steps.py", "\nprint('this is the copy')\n")
    (trained / "results/cells/tiny/profile.csv").unlink()
    words = [*SNAKEMAKE[:-1], str(checkout / "Snakefile"), "--cores", "1", "results/cells/tiny/profile.csv"]
    environment = real_environment()
    del environment["PYTHONPATH"]
    result = call(words, trained, environment)
    assert result.code == 0, result.output
    assert "this is the copy" in result.output
