"""The paper's VTAB-1k numbers beside ours: never a number that was not measured."""

import pandas as pd

from subtuning.analysis.published import published_table


def evaluation(**means):
    rows = [{"method": method, "mean": mean, "ci_low": mean - 0.01, "ci_high": mean + 0.01}
            for method, mean in means.items()]  # fmt: skip
    return pd.DataFrame(rows)


def test_what_was_not_measured_is_empty():
    items = [
        ("mine", "net", evaluation(greedy=0.6, full=0.3, linear=0.2, lora=0.5), None),
        ("digits", "net", evaluation(greedy=0.9), None),
        ("mine", "small", evaluation(greedy=0.1), None),
    ]
    models = {"net": "vit_base_patch16_224_miil.in21k_ft_in1k", "small": "resnet18"}
    table = published_table(items, {"mine": "dmlab"}, models).set_index(["network", "task", "method"])
    assert len(table) == 4 * 4 + 4 * 5
    ours = table["here %"][table["here %"] != ""]
    assert ours.loc["vit_base_patch16_224", "dmlab"].to_dict() == {
        "SubTuning": "60.0 ± 1.0", "full fine-tuning": "30.0 ± 1.0", "linear probing": "20.0 ± 1.0",
        "LoRA": "50.0 ± 1.0",
    }  # fmt: skip
    assert len(ours) == 4
    assert table.loc[("resnet50", "cifar100", "SubTuning"), "published %"] == "54.6"
    assert (table["published %"] != "").all()


def test_without_any_measurement_all_cells_of_ours_are_empty():
    assert set(published_table([], {}, {})["here %"]) == {""}
