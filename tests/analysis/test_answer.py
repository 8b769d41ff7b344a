"""The answer in words: each branch says what its numbers carry, and no more."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from subtuning.analysis.answer.data import data_sentences
from subtuning.analysis.answer.gain import gain_over, gain_sentence, listing
from subtuning.analysis.answer.known import Known
from subtuning.analysis.answer.place import place_of
from subtuning.analysis.answer.plain import plain
from subtuning.analysis.answer.surer import half_after, surer_sentences
from subtuning.analysis.answer.text import answer, as_html, as_markdown, as_text
from subtuning.analysis.answer.words import costs, gains, headline, sureness, verdict
from subtuning.analysis.claims import COLUMNS as CLAIMS
from subtuning.analysis.tables.evaluation import COLUMNS

NAN = float("nan")
MEANS = {"linear": 0.80, "best_layer": 0.93, "greedy": 0.95, "full": 0.92}
LAYERS = {"linear": "linear", "best_layer": "a.1", "greedy": "a.0+a.1", "full": "full"}


def difference(other, value, half, p, seed_half=0.01):
    """The cells of a difference with an interval over seeds and images, and one over the seeds."""
    return {
        f"diff_{other}": value,
        f"diff_{other}_ci_low": value - seed_half,
        f"diff_{other}_ci_high": value + seed_half,
        f"p_{other}": 0.03125,
        f"diff_{other}_two_way_low": value - half,
        f"diff_{other}_two_way_high": value + half,
        f"p_{other}_two_way": p,
    }


BETTER = difference("full", 0.03, 0.02, 0.004) | difference("linear", 0.15, 0.03, 1e-9) | {"p_holm": 0.012}
TIE = difference("full", 0.004, 0.012, 0.5) | {"p_holm": 0.5}
WORSE = difference("full", -0.03, 0.02, 0.004) | {"p_holm": 0.008}


def rows(seeds=6, metric="accuracy", **changes):
    """An evaluation, by method; `changes` are cells of the greedy row."""
    found = {}
    for method, mean in MEANS.items():
        row = dict.fromkeys(COLUMNS, NAN) | {"method": method, "layers": LAYERS[method], "mean": mean, "n": seeds}
        row |= {"images": 500, "two_way_low": mean - 0.02, "two_way_high": mean + 0.02, "seconds": 3.0}
        row |= {"search_runs": 40, "search_seconds": 240.0}
        row |= {"trained_parameters": 900, "trained_percent": 9.0, "precision": "fp32", "metric": metric}
        found[method] = row
    found["full"] |= {"trained_parameters": 10_000, "trained_percent": 100.0, "seconds": 30.0}
    found["greedy"] |= BETTER | changes
    return found


def facts(classes=2, learned=100, tested=50, **more):
    counts = {"train": learned * classes, "val": 0, "test": tested * classes}
    labels = {"train": [learned] * classes, "val": [0] * classes, "test": [tested] * classes}
    return {"classes": [f"c{i}" for i in range(classes)], "counts": counts, "label_counts": labels} | more


@pytest.fixture
def known(make, layers):
    """What is known of a small study, with other cells of its greedy row."""

    def build(methods=None, **changes):
        profile = {"layer": ["stem", "a.0", "a.1", "linear"], "mean": [0.8, 0.9, 0.93, 0.8]}
        profile |= {"p_best": changes.pop("p_best", [0.0, 0.12, 0.88, NAN])}
        greedy = {"direction": "forward", "round": [1, 1, 2, 3], "layer": ["a.1", "stem", "a.0", "stem"]}
        greedy |= {"mean": [0.93, 0.8, 0.95, 0.951], "diff_previous": [0.13, 0.0, 0.02, 0.001]}
        greedy |= {"diff_ci_low": [0.1, -0.1, 0.005, -0.02], "diff_ci_high": [0.16, 0.1, 0.035, 0.022]}
        greedy |= {"chosen": [True, False, True, True], "kept": [True, True, True, False]}
        greedy |= {"p": [1e-6, NAN, 0.01, 0.3]}
        names = {f.name for f in dataclasses.fields(Known)}
        own = {key: changes.pop(key) for key in list(changes) if key in names}
        table = methods or rows(**changes)
        return Known(
            **{
                "names": ("pets", "net"),
                "evaluation": pd.DataFrame(table.values()),
                "profile": pd.DataFrame(profile),
                "greedy": pd.DataFrame(greedy),
                "selected": {"direction": "forward", "score": 0.95, "corrected": 0.94},
                "layers": layers,
                "facts": facts(),
                "epochs": 20,
                "search_seeds": 3,
            }
            | own
        )

    return build


def test_every_cell_of_a_gain_is_one_of_the_table():
    assert set(BETTER) <= {*COLUMNS, *CLAIMS}


def test_a_significant_gain():
    gain = gain_over("full", rows())
    assert gain.verdict == "better"
    assert gain_sentence(gain) == (
        "Against fine-tuning all layers (92.0 %) it is 3.0 points more accurate: 95 % interval +1.0 to +5.0 points, "
        "p = 0.004, n = 6 trainings of each on 500 test images. That is more than chance: expect it on other trainings "
        "and other such images too."
    )


def test_a_significant_loss():
    gain = gain_over("full", rows(**WORSE))
    assert gain.verdict == "worse"
    assert "3.0 points less accurate: 95 % interval -5.0 to -1.0 points" in gain_sentence(gain)


def test_a_tie_says_what_could_have_been_seen():
    gain = gain_over("full", rows(**TIE))
    assert gain.verdict == "tie"
    assert "too close to call: with so many trainings, less than about 1.2 points may be chance" in gain_sentence(gain)


def test_what_is_significant_alone_but_not_among_all_methods_carries_no_claim():
    gain = gain_over("full", rows(**difference("full", 0.03, 0.029, 0.04), p_holm=0.12))
    assert gain.verdict == "tie"
    assert "Corrected for all methods of the comparison (p = 0.12), that carries no claim" in gain_sentence(gain)


@pytest.mark.parametrize(("seeds", "p", "expected"), [(2, 0.5, "few"), (5, 0.0625, "few"), (6, 0.03125, "better")])
def test_runs_without_predictions_speak_of_these_images_alone(seeds, p, expected):
    gain = gain_over("full", rows(seeds, p_full_two_way=NAN, p_full=p))
    assert gain.verdict == expected
    words = gain_sentence(gain)
    assert ("cannot tell whether that is more than chance" in words) == (expected == "few")
    assert ("on these very test images" in words) == (expected == "better")
    assert "500 test images" not in words


def test_two_methods_that_are_the_same():
    same = rows(layers="linear", **difference("linear", 0.0, 0.001, 1.0))
    gain = gain_over("linear", same)
    assert gain.verdict == "same"
    assert gain_sentence(gain) == "This is the same as training only a new head, so there is nothing to gain over it."


def test_the_same_layers_trained_otherwise_are_compared():
    """As when each method has a learning rate of its own."""
    assert gain_over("linear", rows(layers="linear", **difference("linear", 0.02, 0.01, 0.001))).verdict == "better"


def test_a_diverged_method():
    gain = gain_over("full", rows(diff_full=NAN))
    assert gain.verdict == "diverged"
    assert "diverged" in gain_sentence(gain)


def test_a_table_with_columns_that_nobody_knows_yet_or_of_an_older_version():
    found = rows()
    for row in found.values():
        row |= {"lr": 0.001}
        for column in CLAIMS:
            del row[column]
    assert gain_over("full", found).images == 0


def test_the_headline_names_layers_and_places(known):
    assert headline(known()) == (
        "Fine-tune **`a.0` (block 1 of 2)** and **`a.1` (block 2 of 2)**, with a new head, and keep the rest of the "
        "network as it is."
    )
    assert verdict(known()) == (
        "It is more accurate than fine-tuning all layers. It is more accurate than training only a new head."
    )


def test_the_headline_when_nothing_was_chosen(known):
    found = known(rows(layers="linear", **difference("linear", 0.0, 0.001, 1.0)))
    assert headline(found).startswith("Train only a new head: the search found no layer")
    assert verdict(found) == "It is more accurate than fine-tuning all layers."


def test_the_headline_when_all_layers_are_better(known):
    assert headline(known(**WORSE)).startswith(
        "Fine-tune all layers: that is the most accurate. If only a part shall be trained: fine-tune **`a.0`"
    )


def test_the_headline_of_another_way_of_training(known):
    found = known(rows(layers="a.1 with lora(rank=4)"))
    assert headline(found).startswith("Fine-tune **`a.1` (block 2 of 2)** with `lora(rank=4)`, with a new head")


def test_the_headline_when_all_layers_were_chosen(known):
    found = known(rows(layers="full", **difference("full", 0.0, 0.001, 1.0)))
    assert headline(found).startswith("Fine-tune all layers: the search found none that is better left as it is.")
    assert verdict(found) == "It is more accurate than training only a new head."


def test_gains_say_when_the_best_layer_is_the_answer(known):
    assert any("no second one was found" in text for text in gains(known(rows(layers="a.1"))))
    both = gains(known())
    assert "The best single layer, `a.1`, alone gets 93.0 % right." in both
    assert both[0] == (
        "On the 100 test images, at which no choice has looked, it gets 95.0 % right (n = 6 trainings; 95 % interval "
        "over trainings and images 93.0 to 97.0 %)."
    )


def test_gains_of_a_diverged_choice(known):
    assert gains(known(mean=NAN)) == [
        "A training of the chosen layers diverged, so their accuracy is not known; lower `recipe.lr`."
    ]


@pytest.mark.parametrize(("p", "told"), [(0.3, "not told from chance"), (0.001, "more than chance")])
def test_gains_name_a_better_subset_of_the_user(known, p, told):
    table = rows(p_holm_best=p)
    table["mine"] = table["greedy"] | {"method": "mine", "layers": "stem", "mean": 0.97, "p_holm_best": NAN}
    assert any("Your own `mine` (`stem`) got 97.0 %" in text and told in text for text in gains(known(table)))


def test_how_sure_the_best_layer_is(known):
    assert sureness(known())[0] == (
        "Trained alone, `a.1` is the best layer in 88 % of resamples of the images; `a.0` in 12 %."
    )
    assert "not settled" in sureness(known(p_best=[0.2, 0.35, 0.45, NAN]))[0]
    assert "cannot be told" in sureness(known(p_best=[NAN] * 4))[0]


def test_each_round_is_told_with_what_became_of_it(known):
    _, first, second, third, luck = sureness(known())
    assert first.endswith("kept (p < 0.0001 for its being of no use).")
    assert "Round 2 of the search, adding `a.0`: +2.0 points in cross-validation (95 % interval +0.5 to +3.5" in second
    assert third.endswith("not kept, as this may be luck.")
    assert luck.endswith("less the luck of having been the best of many, about 94.0 %.")


def test_costs(known):
    assert costs(known()) == [
        "It trains 9 % of the parameters (900 of 10,000, the head included).",
        "One training took 3.0 s (all layers: 30 s); choosing what to train took 40 trainings, 4 min together.",
    ]


def test_nothing_is_proposed_where_nothing_is_open(known):
    assert surer_sentences(known()) == ["Nothing that these numbers ask for."]


def test_a_tie_proposes_more_seeds_or_more_images(known):
    by_seeds = known(**difference("full", 0.004, 0.012, 0.5, seed_half=0.015))
    (text,) = [text for text in surer_sentences(by_seeds) if "trainings of each method" in text]
    assert "12 instead of 6" in text
    assert text.endswith("`snakemake --cores all --config 'evaluate={seeds: 12}'`.")
    by_images = surer_sentences(known(**difference("full", 0.004, 0.012, 0.5, seed_half=0.001)))
    assert by_images[0].startswith("More test images: with 500, endless trainings would still leave about ±1.2 points")


def test_more_seeds_narrow_only_their_own_part_of_an_interval():
    gain = gain_over("full", rows(**difference("full", 0.004, 0.0196, 0.5, seed_half=2.5705818366 * 0.006)))
    assert half_after(gain, 6) == pytest.approx(0.0196)
    assert half_after(gain, np.inf) == pytest.approx(1.96 * 0.008)


def test_few_epochs_images_and_search_seeds_are_told(known):
    found = surer_sentences(known(epochs=1, search_seeds=1, p_best=[0.2, 0.3, 0.5, NAN], facts=facts(learned=5)))
    assert [text.partition(":")[0].partition(",")[0] for text in found] == [
        "If it matters which layer is the best",
        "Longer training",
        "More images to learn from",
    ]
    assert "'recipe={epochs: 4}'" in found[1]
    assert "there are 5 a class" in found[2]


def test_the_images_are_told_with_what_is_wrong_with_them():
    found = facts(3, warnings=["1 of 3 classes have no test image: c2"])
    found["label_counts"] |= {"train": [300, 90, 20], "test": [50, 4, 0]}
    found["copies"] = {"test": 2, "examples": {"test": [["train: a.png", "test: b.png"]]}}
    size, unequal, few, warning, copies = data_sentences(found, "accuracy")
    assert size == "410 images of 3 classes to learn from (20 to 300 of each), 54 to test."
    assert "`c0` has 300 images, `c2` has 20" in unequal
    assert few == "Of 1 of 3 classes there are fewer than 10 test images: `c1` (4)."
    assert warning == "1 of 3 classes have no test image: c2."
    assert copies.startswith("2 of 150 test images are in train or val as well")
    assert len(data_sentences(facts(), "accuracy")) == 1


def test_another_metric_than_the_accuracy_is_named_wherever_there_is_a_score(known):
    found = known(rows(metric="macro_f1"))
    text = " ".join(
        [*gains(found), *sureness(found), verdict(found), headline(known(rows(metric="macro_f1", **WORSE)))]
    )
    for words in (
        "it gets a macro F1 of 9",
        "points of macro F1 better",
        "the chosen layers got a macro F1 of 95.0 %",
        "It is better by macro F1 than fine-tuning all layers.",
        "Fine-tune all layers: that is best by macro F1.",
    ):
        assert words in text
    assert "accura" not in text
    assert " right" not in text


def test_places(make):
    layers = make.make_layers({"a": ["a.0", "a.1"], "b": ["b.0"]})
    assert place_of("b.0", layers) == "block 3 of 3"
    assert place_of("a.0", layers | {"granularity": "stage"}) == "stage 1 of 3"
    assert place_of("stem", layers).startswith("the stem")
    assert place_of("tail", layers).startswith("the tail")


def test_listing():
    assert [listing(list(names)) for names in ("", "a", "ab", "abcd", "abcdef")] == [
        *("", "a", "a and b", "a, b, c and d", "a, b, c and 3 more")
    ]


def test_the_answer_as_text_markdown_and_html(known):
    found = answer(known(command="snakemake --cores all --configfile 'my <own>.yaml'", **TIE))
    markdown = as_markdown(found)
    assert markdown.startswith("# Which layers of net to fine-tune for pets\n\nFine-tune **`a.0`")
    assert [line for line in markdown.splitlines() if line.startswith("## ")] == [
        *("## What it gains", "## How sure the choice is", "## What it costs", "## The images"),
        "## What would make it surer",
    ]
    assert as_text(found) == plain(markdown)
    assert not set("#*`") & set(as_text(found))
    page = as_html(found)
    assert page.isascii()
    assert "my &lt;own&gt;.yaml" in page
    assert "<strong><code>a.0</code> (block 1 of 2)</strong>" in page
