"""Gather the tables of an experiment that docs/results.md shows, and print them as Markdown.

    python docs/site/results.py config/experiments/worth.yaml
    python docs/site/results.py config/experiments/worth.yaml worth_three

It reads `results/` of the place where it is called and writes `docs/results/<experiment>_<table>.csv` (or `<name>_`):
the workflow's tables of all pairs of task and backbone under each other. Pairs that are not there are left out, and
said.
"""

import sys
from itertools import product
from pathlib import Path

import pandas as pd

from subtuning.analysis.files import read_csv, write_csv
from subtuning.analysis.statistics import interval
from subtuning.config import load_config

TABLES = (
    "evaluation",
    "profile",
    "profile_test",
    "greedy",
    "rankings",
    "pairs",
    "windows",
    "stability",
    "active",
    "tune",
)
OTHERS = ("digits", "cifar100")
"""Studies of the page that have tables of their own."""


def gather(config: Path, folder: Path) -> dict[str, pd.DataFrame]:
    """Each kind of table that is there, of all pairs, with their names in front."""
    pairs = list(product(load_config(config).tasks, load_config(config).backbones))
    found: dict[str, pd.DataFrame] = {}
    for kind in TABLES:
        paths = {pair: folder / "/".join(pair) / f"{kind}.csv" for pair in pairs}
        frames = [
            read_csv(path).assign(task=pair[0], backbone=pair[1]) for pair, path in paths.items() if path.exists()
        ]
        if frames:
            whole = pd.concat(frames, ignore_index=True)
            found[kind] = whole[["task", "backbone", *(name for name in whole if name not in ("task", "backbone"))]]
        if found.get(kind) is not None and len(frames) < len(pairs):
            print(f"{kind}: {len(frames)} of {len(pairs)} pairs of task and backbone", file=sys.stderr)
    return found


def over_pairs(values: pd.Series) -> str:
    """Mean and 95 % interval (Student's t) of a value a pair."""
    found = interval(values.to_numpy(float), None)
    return f"{found.mean:+.2f} [{found.low:+.2f}, {found.high:+.2f}], n = {found.n}"


def methods(evaluation: pd.DataFrame) -> str:
    """A row a method, a column a pair: test accuracy in percent with its interval over seeds and images."""
    cells = evaluation.assign(
        pair=evaluation["task"] + " " + evaluation["backbone"],
        cell=[f"{100 * row['mean']:.1f} [{100 * row.two_way_low:.1f}, {100 * row.two_way_high:.1f}]"
              for _, row in evaluation.iterrows()],
    )  # fmt: skip
    names = list(dict.fromkeys(evaluation["method"]))
    return cells.pivot(index="method", columns="pair", values="cell").reindex(names).fillna("-").to_markdown()


def differences(evaluation: pd.DataFrame) -> str:
    """Of each method, the difference to full fine-tuning and to the head alone over pairs, in points."""
    rows = [
        {"method": name} | {f"less {to}": over_pairs(100 * own[f"diff_{to}"].dropna()) for to in ("full", "linear")
                            if own[f"diff_{to}"].notna().sum() > 1}
        for name, own in evaluation.groupby("method", sort=False)
    ]  # fmt: skip
    return pd.DataFrame(rows).to_markdown(index=False)


def rankings(table: pd.DataFrame, place: Path) -> str:
    """Spearman's correlation of each ranking with the profile, a value a pair, with the page's other studies."""
    table = pd.concat([table, *(read_csv(place / f"{name}_rankings.csv") for name in OTHERS)])
    rows = table[table["spearman"].notna()].groupby("ranking", sort=False)
    lines = [{"ranking": name, "Spearman": over_pairs(own["spearman"]),
              "points lost": over_pairs(100 * own["lost"])} for name, own in rows]  # fmt: skip
    return pd.DataFrame(lines).to_markdown(index=False)


def profiles(table: pd.DataFrame) -> str:
    """Of each pair, the best layer and what it gains over the head alone, by cross-validation."""
    rows = []
    for (task, backbone), own in table.groupby(["task", "backbone"], sort=False):
        layers = own[~own["layer"].isin(["linear", "full"])].reset_index(drop=True)
        best, last = layers.loc[layers["mean"].idxmax()], layers.iloc[-1]
        depth, full = layers["mean"].idxmax() / (len(layers) - 1), own.set_index("layer").loc["full", "diff_linear"]
        rows.append({"task": task, "backbone": backbone, "best layer": best["layer"], "depth": f"{depth:.2f}",
                     "its share of resamples": f"{100 * best['p_best']:.0f} %",
                     "over linear": f"{100 * best['diff_linear']:+z.1f}",
                     "last layer over linear": f"{100 * last['diff_linear']:+z.1f}",
                     "full over linear": f"{100 * full:+z.1f}"})  # fmt: skip
    return pd.DataFrame(rows).to_markdown(index=False)


def main(config: str, name: str = "") -> None:
    """Write the csv files and print the tables."""
    place = Path(__file__).resolve().parents[1] / "results"
    found = gather(Path(config), Path("results"))
    for kind, table in found.items():
        write_csv(table, place / f"{name or Path(config).stem}_{kind}.csv")
    evaluation = found["evaluation"]
    print(profiles(found["profile"]), methods(evaluation), differences(evaluation), sep="\n\n")
    if "rankings" in found:
        print("", rankings(found["rankings"], place), sep="\n\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
