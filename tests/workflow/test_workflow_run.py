"""A whole small run: which files it leaves, that the tables agree with the store, that nothing was trained twice."""

import json
import re
import subprocess
import sys
import zipfile
from statistics import mean

import pytest

from subtuning.analysis.files import read_csv
from tests.workflow.snake import CONFIG, LAYERS, ROOT, call, copy, records, what

PROFILE = (
    "layer,mean,std,n,ci_low,ci_high,diff_linear,diff_ci_low,diff_ci_high,"
    "p_best,corrected,dropped,parameters,flops,seconds,metric,precision"
)
GREEDY = (
    "direction,round,layer,mean,std,n,ci_low,ci_high,diff_previous,diff_ci_low,diff_ci_high,"
    "dropped,chosen,kept,p,corrected,rule,metric,precision"
)
EVALUATION = (
    "layers,mean,std,n,ci_low,ci_high,diff_full,diff_full_ci_low,diff_full_ci_high,p_full,"
    "diff_linear,diff_linear_ci_low,diff_linear_ci_high,p_linear,images,two_way_low,two_way_high,"
    "diff_full_two_way_low,diff_full_two_way_high,p_full_two_way,"
    "diff_linear_two_way_low,diff_linear_two_way_high,p_linear_two_way,p_holm,p_holm_best,"
    "auroc,calibration_error,log_loss,lr,recipe,at_edge,trained_parameters,trained_percent,seconds,"
    "search_runs,search_seconds,search_flops,train_flops,lane_memory_mb,metric,precision,device"
)
PAIR = "results/cells/tiny"
FOLDS, SEEDS = range(CONFIG["profile"]["folds"]), range(CONFIG["evaluate"]["seeds"])


@pytest.fixture(scope="module")
def folder(finished):
    return finished[0]


@pytest.fixture(scope="module")
def store(folder):
    return {what(record): record for record in records(folder).values()}


def rounds(folder):
    return [json.loads((folder / PAIR / f"greedy/forward/round{number}.json").read_text()) for number in (1, 2)]


def scores(store, layers, split, places):
    return [store[layers, split, *place]["metrics"]["accuracy"] for place in places]


def cv(store, layers):
    return scores(store, layers, "cv", [(fold, 0) for fold in FOLDS])


def test_all_final_files_are_there(folder):
    results = folder / "results"
    made = {file.relative_to(results).as_posix() for file in results.rglob("*") if file.is_file()}
    drawn = ("profile", "greedy", "tradeoff", "confusion", "confusion_cv", "recalls", "mistakes", "mistakes_cv")
    figures = [f"figures/cells/tiny/{name}.{end}" for name in drawn for end in ("svg", "png")]
    tables = [
        f"tables/{name}"
        for name in ("summary.csv", "summary.md", "summary.tex", "summary.html", "comparison.html", "all.csv")
    ]
    task = [f"tasks/cells/{p}/{a}.npy" for p in ("train", "val", "test") for a in ("images", "labels")]
    names = ["profile.csv", "greedy.csv", "selected.json", "evaluation.csv", "answer.md", "classes.csv", "mistakes.csv"]
    names += ["answer.html", "profile.html", "greedy.html", "evaluation.html"]
    assert made >= {*figures, *tables, *task, *(f"cells/tiny/{name}" for name in names)}
    assert made >= {"tasks/cells/task.json", "backbones/tiny/layers.json", "backbones/tiny/weights.safetensors"}
    assert "tasks/cells/names.json" in made
    assert not [name for name in made if "checkpoint" in name or "partial" in name or "/." in name]
    for name in made - {"logs/fetch/tiny.log", "logs/describe/tiny.log"}:
        quiet = name.startswith("logs/")
        assert quiet or (folder / "results" / name).stat().st_size, f"{name} is empty"


def test_every_job_left_its_log_and_every_training_its_benchmark(folder):
    logs = {file.relative_to(folder / "results/logs").as_posix() for file in (folder / "results/logs").rglob("*.log")}
    assert logs == {
        *("convert/cells.log", "fetch/tiny.log", "describe/tiny.log", "summary.log"),
        "plan/cells/tiny.log",
        *("profile/cells/tiny/shard0.log", "profile_table/cells/tiny.log", "greedy/cells/tiny/path.log"),
        *(f"greedy/cells/tiny/forward{number}{what}.log" for number in (1, 2) for what in ("", ".shard0")),
        "deliver/cells/tiny.log",
        *("evaluation/cells/tiny/runs.log", "evaluation/cells/tiny/table.log", "figures/cells/tiny/all.log"),
        *("answer/cells/tiny.log", "errors/cells/tiny.log"),
    }
    found = {file.stem for file in (folder / "results/benchmarks").rglob("*.tsv")}
    assert found == {"cells", "shard0", "forward1.shard0", "forward2.shard0", "runs"}


def test_exactly_the_distinct_runs_were_trained(folder, store):
    everything = records(folder)
    assert len(store) == len(everything), "two records of the same run"
    first, second = rounds(folder)
    profile = {(name, "cv", fold, 0) for name in [*LAYERS, "linear", "full"] for fold in FOLDS}
    pairs = {(c["tuning"], "cv", fold, 0) for c in second["candidates"] for fold in FOLDS}
    methods = {"linear", "full", *read_csv(folder / PAIR / "evaluation.csv")["layers"]}
    evaluation = {(name, "test", None, seed) for name in methods for seed in SEEDS}
    assert not first["stopped"], "one layer beats linear probing on this task"
    assert len(pairs) == (len(LAYERS) - 1) * len(FOLDS)
    assert store.keys() == profile | pairs | evaluation


def test_the_first_round_of_greedy_trained_nothing(finished):
    counted = re.findall(r"^cells/tiny: (\d+) runs, (\d+) finished before", finished[1], re.MULTILINE)
    runs = len(LAYERS) * len(FOLDS)
    wanted = [(runs + 2 * len(FOLDS), 0), (runs + len(FOLDS), runs + len(FOLDS)), (runs - len(FOLDS), 0)]
    assert [tuple(map(int, pair)) for pair in counted[:3]] == wanted
    assert counted[3][1] == "0"


def test_profile_agrees_with_the_store(folder, store):
    table = read_csv(folder / PAIR / "profile.csv")
    assert ",".join(table.columns) == PROFILE
    assert list(table["layer"]) == [*LAYERS, "linear", "full"]
    described = json.loads((folder / "results/backbones/tiny/layers.json").read_text())
    parameters = {row["name"]: row["parameters"] for row in described["layers"]}
    parameters |= {"linear": 0, "full": described["total_parameters"]}
    for row in table.itertuples():
        assert row.mean == pytest.approx(mean(cv(store, row.layer)), abs=1e-6)
        assert row.n == len(FOLDS)
        assert row.parameters == parameters[row.layer]
        assert row.seconds > 0
        assert (0 <= row.p_best <= 1) == (row.layer in LAYERS)
        if row.layer != "linear":
            gains = [a - b for a, b in zip(cv(store, row.layer), cv(store, "linear"), strict=True)]
            assert row.diff_linear == pytest.approx(mean(gains), abs=1e-6)


def test_the_chances_of_all_layers_are_one_and_the_best_has_its_corrected_score(folder):
    table = read_csv(folder / PAIR / "profile.csv").set_index("layer")
    assert table.loc[LAYERS, "p_best"].sum() == pytest.approx(1, abs=1e-5)
    corrected = table["corrected"].dropna()
    assert list(corrected.index) == [rounds(folder)[0]["choice"]]


def test_greedy_agrees_with_the_store(folder, store):
    table = read_csv(folder / PAIR / "greedy.csv")
    assert ",".join(table.columns) == GREEDY
    first = table[table["round"] == 1]
    assert list(first["layer"]) == LAYERS
    winner = first.loc[first["chosen"], "layer"].item()
    assert mean(cv(store, winner)) == max(mean(cv(store, name)) for name in LAYERS)
    second = table[table["round"] == 2]
    assert list(second["layer"]) == [name for name in LAYERS if name != winner]
    for row in second.itertuples():
        subset = "+".join(name for name in LAYERS if name in (row.layer, winner))
        assert row.mean == pytest.approx(mean(cv(store, subset)), abs=1e-6)
        assert row.diff_previous == pytest.approx(row.mean - mean(cv(store, winner)), abs=2e-6)
    assert first["kept"].all()


def test_the_selected_subset_is_that_of_the_last_round_that_improved(folder, store):
    first, second = rounds(folder)
    selected = json.loads((folder / PAIR / "selected.json").read_text())
    last = first if second["stopped"] else second
    assert selected["rule"] == "epsilon", "as this config says"
    assert 0 < selected["corrected"] <= 1
    assert selected["tuning"] == last["tuning"]
    assert selected["rounds"] == (1 if second["stopped"] else 2)
    assert selected["score"] == pytest.approx(mean(cv(store, selected["tuning"])))


def test_evaluation_agrees_with_the_store(folder, store):
    table = read_csv(folder / PAIR / "evaluation.csv").set_index("method")
    assert list(table.index) == ["linear", "best_layer", "greedy", "full"]
    assert ",".join(table.columns) == EVALUATION
    selected = json.loads((folder / PAIR / "selected.json").read_text())["tuning"]
    assert table.loc["greedy", "layers"] == selected
    assert table.loc["best_layer", "layers"] == rounds(folder)[0]["choice"]
    for row in table.itertuples():
        found = [store[row.layers.replace(",", "+"), "test", None, seed] for seed in SEEDS]
        assert row.mean == pytest.approx(mean(record["metrics"]["accuracy"] for record in found), abs=1e-6)
        assert row.n == len(SEEDS)
        assert row.trained_parameters == found[0]["trainable_parameters"]
    assert table.loc["linear", "trained_parameters"] == 65 * 3, "the head alone"
    assert table.loc["full", "trained_percent"] == 100


def test_only_the_evaluation_saw_the_test_images(folder, store):
    on_test = {layers for layers, split, *_ in store if split == "test"}
    methods = read_csv(folder / PAIR / "evaluation.csv")["layers"]
    assert on_test == set(methods)
    assert {split for _, split, *_ in store} == {"cv", "test"}


def test_selection_files_hold_scores_of_cross_validation_only(folder, store):
    for this in rounds(folder):
        assert this["split"] == "cv"
        for candidate in this["candidates"]:
            assert candidate["scores"] == cv(store, candidate["tuning"])
        assert this["base_scores"] == cv(store, this["base"])
    ids = {record["id"] for (_, split, *_), record in store.items() if split == "test"}
    shards = [folder / PAIR / "profile/shard0.json", *(folder / PAIR / "greedy/forward").glob("*.shard0.json")]
    assert len(shards) == 3
    for file in shards:
        named = json.loads(file.read_text())["runs"]
        assert named
        assert not ids & set(named)


def test_the_summary_has_every_method(folder):
    table = read_csv(folder / "results/tables/summary.csv")
    assert list(table.columns) == ["backbone", "method", "cells"]
    assert list(table["method"]) == ["linear", "best_layer", "greedy", "full"]
    everything = read_csv(folder / "results/tables/all.csv")
    assert len(everything) == 4 + len(LAYERS) + 2


def test_a_second_call_has_nothing_to_do(folder, tmp_path, snakemake):
    again = copy(folder, tmp_path / "again")
    before = {file: file.stat().st_mtime_ns for file in (again / "results").rglob("*") if file.is_file()}
    result = snakemake(again)
    assert result.code == 0
    assert "Nothing to be done" in result.output
    assert before == {file: file.stat().st_mtime_ns for file in (again / "results").rglob("*") if file.is_file()}


def test_the_report_holds_figures_tables_and_captions(folder, tmp_path, warm_environment):
    again = copy(folder, tmp_path / "again")
    words = ["warm-snakemake", "--snakefile", str(ROOT / "Snakefile"), "--report", "report.zip"]
    result = call(words, again, warm_environment)
    assert result.code == 0, result.output
    with zipfile.ZipFile(again / "report.zip") as archive:
        names = archive.namelist()
        page = next(name for name in names if name.endswith("report.html"))
        text = archive.read(page).decode()
        figures = [name for name in names if name.endswith(".svg")]
        assert len(figures) == 8
        for name in figures:
            original = folder / "results/figures/cells/tiny" / name.rpartition("/")[2]
            assert archive.read(name) == original.read_bytes()
        pages = {name.rpartition("/")[2] for name in names if name.endswith(".html")} - {"report.html"}
        tables = {"profile.html", "greedy.html", "evaluation.html", "summary.html", "comparison.html"}
        assert pages == {"answer.html", *tables}
        assert not [name for name in names if name.endswith((".csv", ".md"))], "the eye would download them"
    for words in (
        "Finetuning profile of cells, tiny",
        "Greedy-SubTuning of cells, tiny",
        "Accuracy against trained parameters: cells, tiny",
        "Evaluation of cells, tiny",
        "All tasks and backbones",
        "What the chosen layers of cells, tiny",
        "What would make it surer",
        "Which layers of a pretrained network are worth fine-tuning",
    ):
        assert words in text, f"{words!r} is not in the report"


def test_the_report_warns_of_nothing(folder, tmp_path, warm_environment):
    again = copy(folder, tmp_path / "again")
    words = ["warm-snakemake", "--snakefile", str(ROOT / "Snakefile"), "--report", "report.zip"]
    result = call([*words, "--workflow-profile", str(ROOT / "profiles" / "default")], again, warm_environment)
    assert result.code == 0, result.output
    assert "never awaited" not in result.output


def test_the_answer_is_the_end_of_what_the_workflow_prints(finished, subtuning):
    folder, output = finished
    answer = (folder / PAIR / "answer.md").read_text()
    selected = json.loads((folder / PAIR / "selected.json").read_text())["tuning"]
    assert all(f"`{name}`" in answer.split("## ")[0] for name in selected.split("+"))
    end = output[output.index("steps done") :]
    assert "Which layers of tiny to fine-tune for cells" in end
    assert "What would make it surer" in end
    printed = subtuning(folder, "answer")
    assert printed.code == 0
    assert printed.output.strip() in end


def test_the_recalls_are_those_of_the_records(folder, store):
    table, evaluation = (read_csv(folder / PAIR / f"{name}.csv") for name in ("classes", "evaluation"))
    assert list(table["class"]) == ["0", "1", "2"]
    for name, method in (("chosen", "greedy"), ("full", "full")):
        row = evaluation.set_index("method").loc[method]
        recalled = (table[f"{name}_images"] * table[f"{name}_recall"]).sum() / table[f"{name}_images"].sum()
        assert recalled == pytest.approx(row["mean"], abs=1e-5)
    mistakes = read_csv(folder / PAIR / "mistakes.csv")
    assert set(mistakes["part"]) <= {"test", "train", "val"}
    assert (mistakes["label"] != mistakes["predicted"]).all()


def test_the_log_of_a_job_is_what_it_printed(finished):
    folder, output = finished
    log = (folder / "results/logs/profile/cells/tiny/shard0.log").read_text()
    assert "cells/tiny: 18 runs, 0 finished before" in log
    first_line = log.splitlines()[0]
    assert first_line in output


def test_commands_do_not_reach_for_the_network():
    """All of these tests run where the network is forbidden; this is the proof that it is."""
    code = (
        "import socket, urllib.request; from tests.workflow.warm import forbid_network; forbid_network()\n"
        "here = ('127.0.0.1', 9)\n"
        "for call in (lambda: socket.create_connection(here), lambda: socket.getaddrinfo('localhost', 80),\n"
        "             lambda: socket.socket().connect(here), lambda: urllib.request.urlopen('http://[::1]')):\n"
        "    try: call()\n"
        "    except OSError as error: assert 'tests forbid the network' in str(error), error\n"
        "    else: raise SystemExit('the network is open')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_run_needed_no_network(finished):
    assert "forbid the network" not in finished[1]
