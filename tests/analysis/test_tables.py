"""Tables: exact columns, pairing, missing and diverged runs, and what must not enter them."""

import numpy as np
import pytest

from subtuning.analysis.statistics import interval, paired_interval
from subtuning.analysis.tables.evaluation import evaluation_table
from subtuning.analysis.tables.greedy import greedy_table
from subtuning.analysis.tables.profile import profile_table
from subtuning.errors import UserError

SCORES = {
    "stem": [0.50, 0.60, 0.55],
    "a.0": [0.70, 0.72, 0.74],
    "a.1": [0.65, 0.60, 0.61],
    "linear": [0.50, 0.55, 0.51],
    "full": [0.80, 0.82, 0.81],
}
METHODS = {"linear": ([], 0.86, 100), "full": ("full", 0.93, 5000), "mine": (["a.0", "a.1"], 0.94, 900)}


@pytest.fixture
def records(make, layers):
    return make.make_profile_records(layers, SCORES)


@pytest.fixture
def rounds():
    """Two rounds by hand; the second improves nothing and stops the search."""
    first = {"layer": "a.0", "tuning": "a.0", "scores": [0.70, 0.72, 0.74]}
    other = {"layer": "a.1", "tuning": "a.1", "scores": None}
    third = {"layer": "stem", "tuning": "stem", "scores": [0.50, 0.60, 0.55]}
    last = {"layer": "stem", "tuning": "stem+a.0", "scores": [0.69, 0.70, 0.71]}
    start = {"round": 1, "direction": "forward", "precision": "fp32", "base": [], "base_scores": SCORES["linear"]}
    end = {"round": 2, "direction": "forward", "precision": "fp32", "base": ["a.0"], "base_scores": first["scores"]}
    return [
        start | {"candidates": [third, first, other], "choice": "a.0", "tuning": "a.0", "stopped": False},
        end | {"candidates": [last], "choice": "stem", "tuning": "a.0", "stopped": True},
        end | {"round": 3, "candidates": [], "choice": None, "tuning": "a.0", "stopped": True},
    ]


def test_profile_columns_and_order(records, layers):
    table = profile_table(records, layers)
    assert list(table.columns) == [
        "layer", "mean", "std", "n", "ci_low", "ci_high", "diff_linear", "diff_ci_low", "diff_ci_high",
        "p_best", "corrected", "dropped", "parameters", "flops", "seconds", "metric", "precision",
    ]  # fmt: skip
    assert list(table["layer"]) == ["stem", "a.0", "a.1", "linear", "full"]


def test_profile_does_not_depend_on_the_order_of_records(records, layers):
    assert profile_table(records[::-1], layers).equals(profile_table(records, layers))


def test_profile_numbers(records, layers):
    row = profile_table(records, layers).set_index("layer").loc["a.0"]
    own, paired = interval(SCORES["a.0"], 3), paired_interval(SCORES["a.0"], SCORES["linear"], 3)
    assert tuple(row[["mean", "std", "n", "ci_low", "ci_high"]]) == pytest.approx(tuple(own))
    assert tuple(row[["diff_linear", "diff_ci_low", "diff_ci_high"]]) == pytest.approx(
        (paired.mean, paired.low, paired.high)
    )
    assert row["seconds"] == pytest.approx(11)  # folds take 10, 11 and 12 s
    assert (row["parameters"], row["flops"]) == (2000, 10**6 + 1)


def with_hits(record, hits):
    return record | {
        "metrics": record["metrics"] | {"accuracy": hits.count("1") / 8, "n": 8, "hits": f"{int(hits, 2):02x}"}
    }


def test_the_profile_says_which_layer_may_be_the_best(records, layers):
    """`stem` and `a.0` are right on the same images, `a.1` on none, so of the two the one with fewer parameters is
    always the best; where `a.0` is right elsewhere, each has its chance."""
    same = {"stem": "11110000", "a.0": "11110000", "a.1": "00000000"}
    other = same | {"a.0": "00001111"}

    def table(hits):
        names = ["".join(r["identity"]["subset"]) for r in records]
        return profile_table(
            [with_hits(r, hits.get(n, "10000000")) for n, r in zip(names, records, strict=True)], layers
        )

    found = table(same).set_index("layer")
    assert list(found["p_best"].fillna(9)) == [1, 0, 0, 9, 9]
    assert found.loc["stem", "corrected"] == pytest.approx(0.5, abs=0.01)
    found = table(other).set_index("layer")
    assert found.loc["stem", "p_best"] == pytest.approx(0.58, abs=0.02), (
        "of equal scores, 16 %, the smaller is the best"
    )
    assert found.loc["a.0", "p_best"] == pytest.approx(0.42, abs=0.02)
    assert found["corrected"].notna().tolist() == [True, False, False, False, False]
    assert found.loc["stem", "corrected"] < 0.5, "the luck is taken off"


def left_early(records, folds):
    """Records of a race: those of the named layers stop after so many folds."""
    most = {record["id"]: folds.get("".join(record["identity"]["subset"]), 3) for record in records}
    return [record for record in records if record["identity"]["fold"] < most[record["id"]]]


def test_a_layer_that_left_the_race_has_its_folds_and_no_rank(records, layers):
    found = profile_table(left_early(records, {"a.0": 2, "a.1": 1}), layers, raced=True).set_index("layer")
    assert found["n"].tolist() == [3, 2, 1, 3, 3]
    assert found["dropped"].tolist() == [False, True, True, False, False]
    assert found.loc[["a.0", "a.1"], ["mean", "ci_low", "p_best"]].isna().all(axis=None), "other folds, so no mean"
    paired = paired_interval(SCORES["a.0"][:2], SCORES["linear"][:2], 3)
    own = found.loc["a.0", ["diff_linear", "diff_ci_low", "diff_ci_high"]]
    assert tuple(own) == pytest.approx((paired.mean, *np.clip([paired.low, paired.high], -1, 1)))
    assert found.loc["a.1", "diff_linear"] == pytest.approx(0.15)
    assert np.isnan(found.loc["a.1", "diff_ci_low"]), "of one fold there is no interval"
    with pytest.raises(UserError, match=r"a\.0 \(seed 0, fold 2\)"):
        profile_table(left_early(records, {"a.0": 2}), layers)


def test_a_profile_without_answers_has_no_chances(records, layers):
    table = profile_table(records, layers)
    assert table[["p_best", "corrected"]].isna().all(axis=None)


def test_seeds_of_a_fold_are_one_value(make, layers):
    records = [
        make.make_record({"linear": [], "full": "full"}.get(n, [n]), v + 0.01 * (2 * s - 1), s, f, "cv", 3)
        for n, values in SCORES.items()
        for f, v in enumerate(values)
        for s in (0, 1)
    ]
    row = profile_table(records, layers).set_index("layer").loc["a.0"]
    own = interval(SCORES["a.0"], 3)
    assert tuple(row[["mean", "std", "n", "ci_low", "ci_high"]]) == pytest.approx(tuple(own))
    with pytest.raises(UserError, match=r"lacks 1 of its runs.*full \(seed 1, fold 2\)"):
        profile_table(records[:-1], layers)


def test_profile_sizes_of_the_baselines(records, layers):
    table = profile_table(records, layers).set_index("layer")
    assert tuple(table.loc["linear", ["parameters", "flops"]]) == (0, 0)
    assert tuple(table.loc["full", ["parameters", "flops"]]) == (layers["total_parameters"], layers["total_flops"])
    assert np.isnan(table.loc["linear", "diff_linear"])


def test_profile_names_the_missing_run(records, layers):
    left = [r for r in records if not (r["identity"]["subset"] == ["a.1"] and r["identity"]["fold"] == 2)]
    with pytest.raises(UserError, match=r"task digits, backbone net lacks 1 of its runs.*a\.1 \(seed 0, fold 2\)"):
        profile_table(left, layers)


def test_profile_of_nothing(layers):
    with pytest.raises(UserError, match="no finished run"):
        profile_table([], layers)


def test_profile_says_that_a_run_diverged(make, layers):
    table = profile_table(make.make_profile_records(layers, SCORES, diverged=["a.0"]), layers).set_index("layer")
    numbers = ["mean", "std", "ci_low", "ci_high", "diff_linear", "diff_ci_low", "diff_ci_high", "seconds"]
    assert table.loc["a.0", "n"] == 2
    assert table.loc["a.0", numbers].isna().all()
    assert table.loc["a.1", numbers].notna().all()


def test_no_difference_to_a_linear_that_diverged(make, layers):
    table = profile_table(make.make_profile_records(layers, SCORES, diverged=["linear"]), layers).set_index("layer")
    assert table["diff_linear"].isna().all()
    assert table.loc["stem", "mean"] == pytest.approx(0.55)


def test_test_records_enter_a_profile_only_on_request(make, layers):
    records = make.make_profile_records(layers, SCORES, split="test")
    with pytest.raises(ValueError, match="split 'test'"):
        profile_table(records, layers)
    row = profile_table(records, layers, test_set=True).set_index("layer").loc["a.0"]
    assert row["ci_high"] == pytest.approx(interval(SCORES["a.0"], None).high)
    assert row["diff_ci_high"] == pytest.approx(paired_interval(SCORES["a.0"], SCORES["linear"], None).high)


def test_cross_validation_is_no_test_set_profile(records, layers):
    with pytest.raises(ValueError, match="split 'cv'"):
        profile_table(records, layers, test_set=True)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"split": "val"}, "several splits"),
        ({"folds": 5}, "several splits"),
        ({"task": "cifar"}, "several tasks"),
        ({"subset": ["a.0", "a.1"]}, "not part of a profile"),
        ({"id": "another"}, "two different runs"),
    ],
)
def test_profile_refuses_strangers(make, records, layers, change, words):
    settings = {"subset": ["a.0"], "accuracy": 0.5, "split": "cv", "folds": 3, "fold": 1} | change
    with pytest.raises(ValueError, match=words):
        profile_table([*records, make.make_record(**settings)], layers)


def test_the_same_record_twice_counts_once(records, layers):
    assert profile_table([*records, records[0]], layers).equals(profile_table(records, layers))


def test_greedy_columns_and_rows(rounds):
    table = greedy_table(rounds)
    assert list(table.columns) == [
        "direction", "round", "layer", "mean", "std", "n", "ci_low", "ci_high",
        "diff_previous", "diff_ci_low", "diff_ci_high", "dropped", "chosen", "kept", "p", "corrected",
        "rule", "metric", "precision",
    ]  # fmt: skip
    assert list(zip(table["round"], table["layer"], table["chosen"], table["kept"], strict=True)) == [
        (1, "stem", False, True),
        (1, "a.0", True, True),
        (1, "a.1", False, True),
        (2, "stem", True, False),
    ]


def test_greedy_numbers(rounds):
    row = greedy_table(rounds).iloc[3]
    own = interval([0.69, 0.70, 0.71], 3)
    paired = paired_interval([0.69, 0.70, 0.71], [0.70, 0.72, 0.74], 3)
    assert (row["mean"], row["ci_low"], row["ci_high"]) == pytest.approx((own.mean, own.low, own.high))
    assert (row["diff_previous"], row["diff_ci_low"]) == pytest.approx((-0.02, paired.low))


def test_greedy_says_what_decided(rounds):
    found = [this | {"rule": "test"} for this in rounds]
    table = greedy_table([found[0] | {"p": 0.01}, found[1] | {"p": 0.4}, found[2]], "forward", corrected=0.715)
    assert list(table["rule"]) == ["test"] * 4
    assert list(table["p"].fillna(9)) == [9, 0.01, 9, 0.4], "beside the chosen"
    assert list(table["corrected"].fillna(9)) == [9, 0.715, 9, 9], "beside the last one kept"


def test_greedy_says_that_a_candidate_diverged(rounds):
    row = greedy_table(rounds).iloc[2]
    assert row["n"] == 0
    assert row[["mean", "std", "ci_low", "ci_high", "diff_previous"]].isna().all()
    rounds[0]["candidates"][2]["scores"] = [0.7, None, 0.7]
    row = greedy_table(rounds).iloc[2]
    assert row["n"] == 2
    assert np.isnan(row["mean"])


def test_greedy_on_val_has_seeds_not_folds(rounds):
    table = greedy_table([number | {"split": "val"} for number in rounds])
    assert table.iloc[1]["ci_high"] == pytest.approx(interval([0.70, 0.72, 0.74], None).high)


def test_greedy_refuses_test_scores(rounds):
    with pytest.raises(ValueError, match="split 'test'"):
        greedy_table([number | {"split": "test"} for number in rounds])


def test_greedy_refuses_scores_that_cannot_be_paired(rounds):
    rounds[1]["candidates"][0]["scores"] = [0.7, 0.7]
    with pytest.raises(ValueError, match="cannot be paired"):
        greedy_table(rounds)


def test_greedy_keeps_only_the_direction_that_won(rounds):
    both = rounds + [number | {"direction": "backward"} for number in rounds]
    kept = greedy_table(both, direction="backward").query("kept")
    assert set(kept["direction"]) == {"backward"}
    assert set(greedy_table(both).query("kept")["direction"]) == {"forward", "backward"}


def test_evaluation_columns_and_rows(make, layers):
    table = evaluation_table(make.make_evaluation_records(METHODS), layers)
    assert list(table.columns) == [
        "method", "layers", "mean", "std", "n", "ci_low", "ci_high",
        "diff_full", "diff_full_ci_low", "diff_full_ci_high", "p_full",
        "diff_linear", "diff_linear_ci_low", "diff_linear_ci_high", "p_linear",
        "images", "two_way_low", "two_way_high",
        "diff_full_two_way_low", "diff_full_two_way_high", "p_full_two_way",
        "diff_linear_two_way_low", "diff_linear_two_way_high", "p_linear_two_way", "p_holm", "p_holm_best",
        "auroc", "calibration_error", "log_loss",
        "lr", "recipe", "at_edge", "trained_parameters", "trained_percent", "seconds",
        "search_runs", "search_seconds", "search_flops", "train_flops",
        "lane_memory_mb", "metric", "precision", "device",
    ]  # fmt: skip
    assert list(table["method"]) == ["linear", "full", "mine"]
    assert list(table["layers"]) == ["linear", "full", "a.0+a.1"]


def test_evaluation_numbers(make, layers):
    records = make.make_evaluation_records(METHODS)
    values = {method: [record["metrics"]["accuracy"] for record in found] for method, found in records.items()}
    records["mine"].reverse()  # pairs are by seed, not by position
    row = evaluation_table(records, layers).set_index("method").loc["mine"]
    own, paired = interval(values["mine"], None), paired_interval(values["mine"], values["full"], None)
    assert tuple(row[["mean", "std", "n", "ci_low", "ci_high"]]) == pytest.approx(tuple(own))
    found = tuple(row[["diff_full", "diff_full_ci_low", "diff_full_ci_high"]])
    assert found == pytest.approx((paired.mean, paired.low, paired.high))
    assert row["p_linear"] == pytest.approx(2 / 2**5)
    assert (row["trained_parameters"], row["trained_percent"]) == (900, pytest.approx(18))
    assert (row["seconds"], row["lane_memory_mb"]) == (pytest.approx(12), pytest.approx(54))


def test_no_method_is_compared_with_itself(make, layers):
    table = evaluation_table(make.make_evaluation_records(METHODS), layers).set_index("method")
    assert table.loc["full", ["diff_full", "p_full"]].isna().all()
    assert table.loc["linear", ["diff_linear", "p_linear"]].isna().all()
    assert table.loc["full", ["diff_linear", "p_linear"]].notna().all()


def test_layers_stand_in_network_order(make, layers):
    records = make.make_evaluation_records(METHODS | {"mine": (["a.1", "stem"], 0.9, 1000)})
    assert evaluation_table(records, layers).iloc[2]["layers"] == "stem+a.1"


def test_evaluation_of_one_seed_has_no_spread(make, layers):
    row = evaluation_table(make.make_evaluation_records(METHODS, seeds=1), layers).iloc[2]
    assert row["n"] == 1
    assert row[["std", "ci_low", "ci_high", "diff_full_ci_low", "p_full"]].isna().all()
    assert row[["mean", "diff_full"]].notna().all()


@pytest.mark.parametrize("split", ["cv", "val"])
def test_evaluation_takes_test_records_only(make, layers, split):
    records = {name: [make.make_record(subset, 0.9, split=split)] for name, (subset, _, _) in METHODS.items()}
    with pytest.raises(ValueError, match=f"split 'test' only, not '{split}'"):
        evaluation_table(records, layers)


def test_evaluation_names_the_missing_seed(make, layers):
    records = make.make_evaluation_records(METHODS)
    del records["mine"][3]
    with pytest.raises(UserError, match=r"lacks 1 of its runs.*mine \(seed 3\)"):
        evaluation_table(records, layers)


@pytest.mark.parametrize("name", ["linear", "full"])
def test_evaluation_needs_both_baselines(make, layers, name):
    records = make.make_evaluation_records(METHODS)
    del records[name]
    with pytest.raises(UserError, match=f"no run of {name}"):
        evaluation_table(records, layers)


def test_evaluation_says_that_a_run_diverged(make, layers):
    methods = METHODS | {"mine": (["a.0"], None, 900)}
    table = evaluation_table(make.make_evaluation_records(methods), layers).set_index("method")
    row = table.loc["mine"]
    assert row["n"] == 4
    numbers = ["mean", "std", "ci_low", "diff_full", "p_full", "diff_linear", "p_linear", "seconds"]
    assert row[numbers].isna().all()
    assert row["trained_parameters"] == 900
    assert table.loc["full", "p_linear"] == pytest.approx(2 / 2**5)


def test_evaluation_refuses_unknown_layers_and_mixed_subsets(make, layers):
    with pytest.raises(ValueError, match=r"trains b\.7, which the backbone does not have"):
        evaluation_table(make.make_evaluation_records(METHODS | {"mine": (["b.7"], 0.9, 900)}), layers)
    records = make.make_evaluation_records(METHODS)
    records["mine"][0] = make.make_record(["a.1"], 0.9, seed=0)
    with pytest.raises(ValueError, match="several tunings"):
        evaluation_table(records, layers)


def test_a_table_never_mixes_precisions(make, layers):
    records = make.make_evaluation_records(METHODS)
    records["mine"][0]["identity"]["recipe"] = {"epochs": 2, "precision": "bf16"}
    with pytest.raises(UserError, match=r"mix runs computed in bf16, fp32; set recipe\.precision to one of them"):
        evaluation_table(records, layers)


def test_the_memory_of_a_method_is_its_own(make, layers):
    """Whichever lanes were trained beside it, and however large the process had grown before."""
    table = evaluation_table(make.make_evaluation_records(METHODS), layers).set_index("method")
    assert "peak_memory_mb" not in table.columns
    assert list(table["device"].unique()) == ["cpu"]
    assert list(table["precision"].unique()) == ["fp32"]
