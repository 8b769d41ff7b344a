"""The model card: what a delivered model is, how good it is, and what it must not be taken for."""

from typing import TYPE_CHECKING, Any

from subtuning.analysis.paper import paper_notes, paper_table
from subtuning.errors import listed
from subtuning.tasks.copies import copy_sentences
from subtuning.tuning.tuning import FULL, Tuning

if TYPE_CHECKING:
    from subtuning.deploy.deliver import Agreement, Chosen

_CARD = """\
---
library_name: timm
pipeline_tag: image-classification
tags: [image-classification, timm, subtuning]
---
# {task}, {backbone}

{model}, fine-tuned on the {classes} classes of *{task}*: {trained}.

    import timm
    model = timm.create_model("local-dir:<this folder>", pretrained=True).eval()
    transform = timm.data.create_transform(**timm.data.resolve_data_config(model=model))

`python predict.py photo.jpg` says which class is in a photo; `config.json` has the classes in order (`label_names`). An
image of any shape is brought to {size} x {size} pixels ({interpolation}, the middle {crop:.4g} of each side), as in the
training. `delta.safetensors` holds only what was trained, under its names in the pretrained network; `backbone` in its
metadata is the sha256 of that network's weights.

## Scores

On {test:,} test images, which no choice of layers has seen, after training on {trainval:,} others:

{scores}

This model is *{method}* with seed {seed}, {picked}: {accuracy:.1%} of the test images.

{agreement}

## Data

{data}

## Limits

- The scores are those of images that come about as these did. Photos of another camera, place or time may do worse, and
  something of no class at all gets one of the {classes} names as well, often with a high probability.
- The probabilities are the network's own and not calibrated.

## Licences

- pretrained weights: {weights_licence}
- images: {data_licence}

## Origin

Run `{run}`: seed {seed}, {precision}, {device}, {recipe}. Made by subtuning, after Kaplun et al., arXiv 2302.06354.
"""


def card(
    chosen: "Chosen", licence: str | None, facts: dict[str, Any], stored: "Agreement", original: "Agreement | None"
) -> str:
    """The text of README.md.

    Args:
        licence: of timm's own weights for the model.
        facts: the content of task.json.
        stored, original: how the model agrees with the run on images as they are stored, and on the files that they
            were made from, where these have another size.
    """
    record, layers = chosen.record, chosen.layers
    (task, backbone), identity, counts = record["names"].values(), record["identity"], facts["counts"]
    items = [(task, backbone, chosen.table, chosen.table)]
    scores = paper_table(items).drop(columns=["task", "backbone"]).to_markdown(index=False, disable_numparse=True)
    return _CARD.format(
        **{key: layers[key] for key in ("model", "interpolation", "crop")},
        task=task,
        backbone=backbone,
        classes=len(facts["classes"]),
        trained=_trained(record),
        size=layers["input_size"],
        test=counts["test"],
        trainval=counts["train"] + counts["val"],
        scores="\n".join([scores, "", *(f"{note}." for note in paper_notes(items))]),
        method=chosen.method,
        seed=identity["seed"],
        picked="the first that did not diverge, not picked by its score",
        accuracy=record["metrics"]["accuracy"],
        agreement=_agreement(facts, identity["recipe"]["precision"], stored, original),
        data=_data(facts),
        weights_licence=weights_licence(licence, layers.get("spec", {}).get("weights", "timm")),
        data_licence=facts.get("licence", "unknown here; ask where they come from"),
        run=record["id"],
        device=record["device"],
        precision=identity["recipe"]["precision"],
        recipe=", ".join(f"{key} {value}" for key, value in identity["recipe"].items() if key != "precision"),
    )


def weights_licence(of_timm: str | None, weights: str) -> str:
    """What is known about the licence of weights, by what the config says of where they come from."""
    if weights == "random":
        return "none; they were random numbers, nothing is pretrained"
    if weights != "timm":
        return f"that of `{weights}`, which this package does not know"
    return f"{of_timm}, says timm" if of_timm else "unknown to timm; ask where they come from"


def _trained(record: dict[str, Any]) -> str:
    tuning = Tuning.of_identity(record["identity"])
    share = 100 * record["trainable_parameters"] / record["total_parameters"]
    layers = "all layers" if tuning.layers == FULL else listed(f"`{name}`" for name in tuning.layers)
    how = "" if tuning.how.name == "weights" else f" ({tuning.how}, merged into the weights)"
    words = f"{layers}{how} and a new head" if layers else "only a new head"
    return f"{words}, {share:.3g} % of all parameters"


def _agreement(facts: dict[str, Any], precision: str, stored: "Agreement", original: "Agreement | None") -> str:
    words = [
        f"Loaded by timm and shown {stored.images:,} of them through timm's transforms, it gives {stored.same:,} the "
        f"recorded class{_why_not_all(stored, precision)}."
    ]
    height, width = facts["image_size"][:2]
    if facts.get("resize", "none") != "none":
        words.append(
            f"The training saw images stored at {width} x {height} pixels ({facts['resize']}); timm resizes a file at "
            f"once to what the model sees."
        )
    if original:
        differ, right = original.images - original.same, original.right / original.images
        words.append(
            f"On the files themselves {differ:,} of {original.images:,} answers differ from the recorded ones, and "
            f"{right:.1%} are right."
        )
    return "\n".join(words)


def _why_not_all(found: "Agreement", precision: str) -> str:
    if found.same == found.images:
        return ""
    ways = ["rounds resized pixels to bytes"] + [f"computes in fp32 where the training did in {precision}"] * (
        precision != "fp32"
    )
    return f" (timm {' and '.join(ways)})"


def _data(facts: dict[str, Any]) -> str:
    counts, labels = facts["counts"], facts["label_counts"]
    of_class = [sum(both) for both in zip(labels["train"], labels["val"], strict=True)]
    lines = [
        f"- train {counts['train']:,}, val {counts['val']:,}, test {counts['test']:,} images, of which the first two "
        "trained this model",
        f"- classes: {listed(facts['classes'], 50)}",
        f"- training images a class: {min(of_class):,} to {max(of_class):,}",
        f"- content (sha256): `{facts['sha256']}`",
    ]
    lines += [f"- {facts['citation']}"] if "citation" in facts else []
    return "\n".join([*lines, *(f"- {odd}" for odd in [*facts.get("warnings", []), *copy_sentences(facts)])])
