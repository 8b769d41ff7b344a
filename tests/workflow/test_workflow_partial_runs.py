"""One value changes: on a folder that really was trained, which runs are added to the store."""

import json
import zipfile

import pytest

from subtuning.analysis.files import read_csv
from tests.workflow.snake import (
    LAYERS,
    ROOT,
    SNAKEMAKE,
    call,
    changed,
    copy,
    new_runs,
    real_environment,
    records,
    rules,
    what,
    write_config,
)
from tests.workflow.stand_in import NEW_NUMBERS, edit


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
