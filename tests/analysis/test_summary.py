"""The combined and the compact table, and the files they become."""

import csv
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from subtuning.analysis.files import read_csv, write_csv
from subtuning.analysis.summary import latex_table, summary_tables, write_summary
from subtuning.analysis.tables.evaluation import evaluation_table
from subtuning.analysis.tables.greedy import greedy_table
from subtuning.analysis.tables.profile import profile_table
from subtuning.cli import main
from subtuning.config.tasks import ArraysTask
from subtuning.tasks import convert_task

METHODS = {"linear": ([], 0.86, 100), "full": ("full", 0.93, 5_000_000), "my_own": (["a.0", "a.1"], 0.94, 900)}


@pytest.fixture
def items(make, layers):
    profile = profile_table(make.make_profile_records(layers, make.make_scores(layers, 5)), layers)
    plain = evaluation_table(make.make_evaluation_records(METHODS), layers)
    diverged = evaluation_table(make.make_evaluation_records(METHODS | {"my_own": (["a.0"], None, 900)}), layers)
    fewer = evaluation_table(
        make.make_evaluation_records({name: METHODS[name] for name in ("linear", "full")}, 1), layers
    )
    return [
        ("digits", "net_a", plain, profile),
        ("dsprites_50%", "net_a", diverged, profile),
        ("digits", "net_b", fewer, profile),
    ]


def test_combined_holds_every_row(items):
    table = summary_tables(items).combined
    assert list(table.columns[:6]) == ["task", "backbone", "table", "name", "layers", "mean"]
    assert len(table) == 3 * 5 + 3 + 3 + 2
    row = table.query("task == 'digits' and backbone == 'net_a' and name == 'my_own'").iloc[0]
    assert (row["table"], row["layers"], row["mean"]) == ("evaluation", "a.0+a.1", items[0][2].iloc[2]["mean"])
    row = table.query("task == 'digits' and backbone == 'net_b' and table == 'profile' and name == 'a.0'").iloc[0]
    assert row["parameters"] == 2000
    assert pd.isna(row["trained_parameters"])


def test_compact_cells(items):
    table = summary_tables(items).compact
    assert list(table.columns) == ["backbone", "method", "digits", "dsprites_50%"]
    rows = {(row["backbone"], row["method"]): row for row in table.to_dict("records")}
    evaluated = items[0][2].iloc[2]
    half = 100 * (evaluated["ci_high"] - evaluated["mean"])
    assert rows["net_a", "my_own"]["digits"] == f"{100 * evaluated['mean']:.1f} ± {half:.1f}"
    assert rows["net_a", "my_own"]["dsprites_50%"] == "diverged"
    assert rows["net_b", "full"]["dsprites_50%"] == "-"
    assert rows["net_b", "full"]["digits"] == f"{100 * items[2][2].iloc[1]['mean']:.1f}"
    assert ("net_b", "my_own") not in rows


def test_no_items_make_empty_tables():
    summary = summary_tables([])
    assert len(summary.combined) == len(summary.compact) == 0


def test_files(items, tmp_path):
    paths = [tmp_path / "deep" / name for name in ("all.csv", "summary.csv", "summary.md", "summary.tex")]
    summary = summary_tables(items)
    write_summary(summary, *paths)
    with paths[0].open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(summary.combined)
    full = next(row for row in rows if row["name"] == "full" and row["table"] == "evaluation")
    assert full["trained_parameters"] == "5000000"
    assert full["diff_full"] == full["parameters"] == ""
    assert read_csv(paths[1]).equals(summary.compact)
    lines = paths[2].read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2 + len(summary.compact)
    assert [cell.strip() for cell in lines[4].split("|")[1:3]] == ["net_a", "my_own"]


def test_notes_stand_below_the_markdown_table(items, tmp_path):
    paths = [tmp_path / name for name in ("all.csv", "summary.csv", "summary.md", "summary.tex")]
    write_summary(summary_tables(items), *paths, notes=["digits: 3 of 9 test images are in train or val as well"])
    *table, blank, note = paths[2].read_text().splitlines()
    assert all(line.startswith("|") for line in table)
    assert (blank, note) == ("", "digits: 3 of 9 test images are in train or val as well.")
    assert "test images" not in "".join(path.read_text() for path in paths[:2])


def test_the_verb_tells_of_copies_in_the_images(items, tmp_path, capsys):
    """From the arrays to what people read: test images that are training images as well."""
    x = np.random.default_rng(0).integers(0, 256, (12, 8, 8), np.uint8)
    np.savez(tmp_path / "a.npz", x_train=x, y_train=np.arange(12) % 2, x_test=x[:3], y_test=np.arange(3) % 2)
    spec = ArraysTask(source="arrays", path=str(tmp_path / "a.npz"))
    convert_task("digits", spec, tmp_path / "tasks" / "digits", progress=False)
    for task in ("digits", "gone"):
        write_csv(items[0][2], tmp_path / task / "net_a" / "evaluation.csv")
        write_csv(items[0][3], tmp_path / task / "net_a" / "profile.csv")
    words = ["--results", str(tmp_path), "--out", str(tmp_path / "tables")]
    main(["tables", "--pairs", "digits/net_a", "gone/net_a", *words])
    text = (tmp_path / "tables" / "summary.md").read_text()
    assert "digits: 3 of 3 test images are in train or val as well, so test accuracy is partly memory (" in text
    assert text.strip() in capsys.readouterr().out


def test_latex_is_well_formed(items):
    text = latex_table(summary_tables(items).compact)
    assert text.startswith("% needs \\usepackage{booktabs}\n\\begin{tabular}{llrr}\n\\toprule\n")
    assert text.endswith("\\bottomrule\n\\end{tabular}\n")
    body = [line for line in text.splitlines() if line.endswith("\\\\")]
    assert len(body) == 1 + 5
    assert all(line.count(" & ") == 3 for line in body)
    assert "my\\_own" in text
    assert "dsprites\\_50\\%" in text
    assert "$\\pm$" in text
    assert text.isascii()


def test_a_name_that_looks_like_nothing_survives(tmp_path, make, layers):
    methods = METHODS | {"none": (["a.0"], 0.9, 900), "NA": (["a.1"], 0.9, 900), "007": (["stem"], 0.9, 900)}
    table = evaluation_table(make.make_evaluation_records(methods), layers)
    write_csv(table, tmp_path / "evaluation.csv")
    assert list(read_csv(tmp_path / "evaluation.csv")["method"]) == ["linear", "full", "my_own", "none", "NA", "007"]


def test_tables_survive_the_disk(tmp_path, make, layers):
    profile = profile_table(make.make_profile_records(layers, make.make_scores(layers, 5), diverged=["a.0"]), layers)
    for table in (profile, greedy_table(make.make_rounds(layers, 2))):
        write_csv(table, tmp_path / "table.csv")
        pd.testing.assert_frame_equal(read_csv(tmp_path / "table.csv"), table, rtol=1e-5, check_dtype=False)


def test_the_room_needs_no_torch():
    code = "import sys, subtuning.analysis.figures, subtuning.analysis.summary; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
