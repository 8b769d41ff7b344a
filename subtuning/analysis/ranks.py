"""Methods over many data sets: mean ranks, who wins, and what that carries (Demsar, 2006, JMLR 7).

A *block* is a task with a backbone; each counts once, whatever its size. A method's accuracy in a block is its mean
over the seeds. Blocks that share a task or a backbone are not wholly independent, so p values are somewhat too small.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy

from subtuning.analysis import LEAST_BLOCKS
from subtuning.analysis.statistics import LEVEL
from subtuning.analysis.tables import Item
from subtuning.analysis.two_way import NAN, holm

COLUMNS = ["method", "mean_rank", "blocks", "wins", "ties", "losses", "clear_wins", "clear_losses"]
COLUMNS += ["p_wilcoxon", "p_holm", "p_friedman", "critical_difference"]


def ranks_table(items: Sequence[Item]) -> pd.DataFrame:
    """A row for each method that every block has and in which no run diverged, the best mean rank first.

    `wins`, `ties` and `losses` count the blocks in which its accuracy is above, equal to, below that of ``full``;
    `clear_` ones have `p_full_two_way` below 0.05 (NaN where it is not known in every block). `p_wilcoxon` is that of
    the signed-rank test against ``full`` over the blocks, `p_holm` its correction for the number of methods.
    `p_friedman` tests that all methods are alike; mean ranks that lie less than `critical_difference` apart (Nemenyi,
    at 5 %) are not told apart. Both belong to the whole table and need three methods.

    Fewer than `LEAST_BLOCKS` blocks, or no method in common, give a table without rows.
    """
    frames = [evaluation[evaluation["mean"].notna()].set_index("method") for _, _, evaluation, _ in items]
    methods = [name for name in frames[0].index if all(name in frame.index for frame in frames)] if frames else []
    if len(frames) < LEAST_BLOCKS or len(methods) < 2:
        return pd.DataFrame(columns=COLUMNS)
    scores = np.array([[frame.loc[name, "mean"] for name in methods] for frame in frames]).round(9)
    ranks = scipy.stats.rankdata(-scores, axis=1).mean(0)
    whole = {"p_friedman": friedman(scores), "critical_difference": critical_difference(*scores.shape)}
    rows = [
        {"method": name, "mean_rank": rank, "blocks": len(frames)}
        | _against_full(frames, methods, scores, place)
        | whole
        for place, (name, rank) in enumerate(zip(methods, ranks, strict=True))
    ]
    for row, p in zip(rows, holm([row["p_wilcoxon"] for row in rows]), strict=True):
        row["p_holm"] = p
    return pd.DataFrame(rows, columns=COLUMNS).sort_values("mean_rank", kind="stable", ignore_index=True)


def friedman(scores: np.ndarray) -> float:
    """The p value of Friedman's test that all methods have the same mean rank; `scores` are blocks x methods."""
    if scores.shape[1] < 3:
        return NAN
    same = (scores == scores[:, :1]).all()
    return 1.0 if same else float(scipy.stats.friedmanchisquare(*scores.T).pvalue)


def critical_difference(blocks: int, methods: int, level: float = LEVEL) -> float:
    """Nemenyi's critical difference of mean ranks, q sqrt(k (k + 1) / (6 N)) for k methods in N blocks."""
    if methods < 3:
        return NAN
    quantile = float(scipy.stats.studentized_range.ppf(level, methods, np.inf)) / 2**0.5
    return quantile * (methods * (methods + 1) / (6 * blocks)) ** 0.5


def groups_alike(ranks: Sequence[float], difference: float) -> list[tuple[int, int]]:
    """The largest runs (first, last) of ascending mean ranks that lie less than the critical difference apart."""
    found: list[tuple[int, int]] = []
    for first, rank in enumerate(ranks):
        last = max(place for place, other in enumerate(ranks) if other - rank < difference)
        if last > first and (not found or last > found[-1][1]):
            found.append((first, last))
    return found


def rank_notes(table: pd.DataFrame) -> list[str]:
    """What a reader must know of the ranks, as sentences without their full stops."""
    first = table.iloc[0]
    notes = [f"Ranks over {first['blocks']} blocks (task x backbone), 1 is best; wins, ties and losses against full"]
    if np.isnan(first["p_friedman"]):
        return notes
    words = f"Friedman test that all are alike: p = {first['p_friedman']:.2g}; critical difference of mean ranks "
    words += f"(Nemenyi, 5 %): {first['critical_difference']:.2f}"
    least = 2 / 2 ** int(first["blocks"])
    if least > 1 - LEVEL:
        words += f"; so few blocks cannot carry a claim over tasks: Wilcoxon's p is never below {least:.2g}"
    return [*notes, words]


def ranks_words(table: pd.DataFrame) -> pd.DataFrame:
    """The table as text, without what stands in the notes."""
    kept = table.drop(columns=["blocks", "p_friedman", "critical_difference"])
    kept = kept.rename(columns={name: name.replace("p_", "p ").replace("_", " ") for name in kept})
    looks = {"mean rank": "{:.2f}", "p wilcoxon": "{:.2g}", "p holm": "{:.2g}"}
    return pd.DataFrame(
        {
            name: [
                "" if pd.isna(cell) else looks.get(name, "{}" if name == "method" else "{:.0f}").format(cell)
                for cell in cells
            ]
            for name, cells in kept.items()
        }
    )


def _against_full(frames: list[pd.DataFrame], methods: list[str], scores: np.ndarray, place: int) -> dict[str, float]:
    if methods[place] == "full" or "full" not in methods:
        return dict.fromkeys(("wins", "ties", "losses", "clear_wins", "clear_losses", "p_wilcoxon"), NAN)
    gains = scores[:, place] - scores[:, methods.index("full")]
    p = np.array([frame.loc[methods[place]].get("p_full_two_way", NAN) for frame in frames], dtype=np.float64)
    clear = np.where(p < 1 - LEVEL, np.sign(gains), 0) if np.isfinite(p).all() else None
    return {
        "wins": int((gains > 0).sum()),
        "ties": int((gains == 0).sum()),
        "losses": int((gains < 0).sum()),
        "clear_wins": NAN if clear is None else int((clear > 0).sum()),
        "clear_losses": NAN if clear is None else int((clear < 0).sum()),
        "p_wilcoxon": float(scipy.stats.wilcoxon(gains).pvalue) if gains.any() else 1.0,
    }
