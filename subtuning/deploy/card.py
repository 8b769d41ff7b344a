"""The model card: what a delivered model is, how good it is, and what it must not be taken for."""

from typing import Any

from subtuning.analysis.paper import paper_notes, paper_table
from subtuning.backbones.packages import PACKAGES
from subtuning.deploy.calibrate import Calibration
from subtuning.deploy.chosen import Agreement, Chosen
from subtuning.deploy.folder import Model
from subtuning.deploy.hub import metadata
from subtuning.deploy.peft import lora_config, lora_modules, peft_takes
from subtuning.errors import listed
from subtuning.search.metrics import in_words
from subtuning.tasks.copies import copy_sentences
from subtuning.tuning.tuning import FULL, Tuning

_CARD = """\
---
{metadata}
---
# {task}, {backbone}

{model}, fine-tuned on the {classes} classes of *{task}*: {trained}.

    import timm
    model = timm.create_model("local-dir:<this folder>", pretrained=True).eval()  # on the hub: "hf-hub:<owner>/<name>"
    transform = timm.data.create_transform(**timm.data.resolve_data_config(model=model))

`python predict.py photo.jpg` says {says};
`config.json` has the classes in order (`label_names`). An image of any shape is brought to {size} x {size} pixels
({interpolation}, the middle {crop:.4g} of each side), as in the training. `delta.safetensors` holds only what was
trained, under its names in the pretrained network; `backbone` in its metadata is the sha256 of that network's weights.

## Scores

On {test:,} test images, which no choice of layers has seen, after training on {trainval:,} others:

{scores}

{this}

{agreement}

{peft}## Data

{data}

## Limits

- The scores are those of images that come about as these did. Photos of another camera, place or time may do worse, and
  something of no class at all {odd}.
- {calibrated}

## Licences

- pretrained weights: {weights_licence}
- images: {data_licence}

## Origin

Run `{run}`: seed {seed}, {precision}, {device}, {recipe}. Made by subtuning, after Kaplun et al., arXiv 2302.06354.
"""

_LEFT = """
(peft changes a grouped convolution only if its number of groups divides the rank, so {modules} is left out)
"""

_PEFT = """\
## The same layers in peft

In this model LoRA's changes are merged into the weights. For new ones on the same modules of pretrained {model}:{left}

    from peft import LoraConfig, get_peft_model
    config = {config}
    model = get_peft_model(timm.create_model("{model}", pretrained=True, num_classes=...), config)

"""


def card(chosen: Chosen, model: Model, facts: dict[str, Any], stored: Agreement, original: Agreement | None) -> str:
    """The text of README.md.

    Args:
        model: as timm loaded it.
        facts: the content of task.json.
        stored, original: how the model agrees with the run on images as they are stored, and on the files that they
            were made from, where these have another size.
    """
    record, layers = chosen.record, chosen.layers
    (task, backbone), identity, counts = record["names"].values(), record["identity"], facts["counts"]
    items = [(task, backbone, chosen.table, chosen.table)]
    scores = paper_table(items).drop(columns=["task", "backbone"]).to_markdown(index=False, disable_numparse=True)
    licence, weights = model.licence, layers.get("spec", {}).get("weights", "timm")
    known, score = licence if weights == "timm" else None, None if chosen.on_all else record["metrics"]["accuracy"]
    return _CARD.format(
        metadata=metadata(layers, (task, backbone), known, score).to_yaml(),
        **{key: layers[key] for key in ("model", "interpolation", "crop")},
        task=task,
        backbone=backbone,
        classes=len(facts["classes"]),
        trained=_trained(record),
        size=layers["input_size"],
        test=counts["test"],
        trainval=counts["train"] + counts["val"],
        scores="\n".join([scores, "", *(f"{note}." for note in paper_notes(items))]),
        seed=identity["seed"],
        this=_this(chosen),
        peft=_peft(chosen, model),
        calibrated=_calibrated(chosen.calibration),
        **_phrases(len(facts["classes"]), facts.get("multilabel", False)),
        agreement=_agreement(facts, identity["recipe"]["precision"], stored, original),
        data=_data(facts, "all of which" if chosen.on_all else "of which the first two"),
        weights_licence=weights_licence(licence, weights),
        data_licence=facts.get("licence", "unknown here; ask where they come from"),
        run=record["id"],
        device=record["device"],
        precision=identity["recipe"]["precision"],
        recipe=", ".join(f"{key} {value}" for key, value in identity["recipe"].items() if key != "precision"),
    )


def _phrases(classes: int, multilabel: bool) -> dict[str, str]:
    """What the card says of one class an image, or of several labels."""
    if not multilabel:
        odd = f"gets one of the {classes} names as well, often with a high probability"
        return {"says": "which class is in a photo", "odd": odd}
    says = "which labels a photo has: those whose output's sigmoid is above 0.5, any number of the classes"
    return {"says": says, "odd": "may get some of the labels as well"}


def weights_licence(of_timm: str | None, weights: str) -> str:
    """What is known about the licence of weights, by what the config says of where they come from."""
    if weights == "random":
        return "none; they were random numbers, nothing is pretrained"
    if packaged := PACKAGES.get(weights.removeprefix("package:")):
        return f"{packaged.licence}, says the package `{weights.removeprefix('package:')}`"
    if weights != "timm":
        return f"that of `{weights}`, which this package does not know"
    return f"{of_timm}, says timm" if of_timm else "unknown to timm; ask where they come from"


def _this(chosen: Chosen) -> str:
    """Which run it is and how good it is, and by what layers and rates were chosen if not by the accuracy."""
    metric = in_words(chosen.metric)
    by = "" if metric == "accuracy" else f" What was chosen, was so by {metric}."
    metrics, seed = chosen.tested["metrics"], chosen.record["identity"]["seed"]
    if chosen.on_all:
        return (
            f"**This model has no test score.** After the comparison *{chosen.method}* was trained once more with seed "
            f"{seed}, on all images, those of the test included; nothing is left to test it on. The table says what "
            f"the method gets without them: its run with this seed {metrics['accuracy']:.1%} of the test images.{by}"
        )
    right = " with all labels right" if chosen.task.multilabel else ""
    words = (
        f"This model is *{chosen.method}* with seed {seed}, the first that did not diverge, not picked by its score: "
        f"{metrics['accuracy']:.1%} of the test images{right}"
    )
    score = metrics.get("score")
    return f"{words}{'' if score is None else f', a {metric} of {score:.1%}'}.{by}"


def _calibrated(found: Calibration | None) -> str:
    if found is None:
        return "The probabilities are the network's own and not calibrated."
    (loss, loss_then), (error, error_then) = found.log_loss, found.error
    return (
        f"`predict.py` and `subtuning predict` divide the logits by a temperature of {found.temperature:g} "
        f"(`temperature` in config.json), fitted on what {found.folds}-fold cross-validation of the method said of "
        f"{found.images:,} training images when they were held out. On the test images it takes the tested run's log "
        f"loss from {loss:.3f} to {loss_then:.3f} and the calibration error from {error:.1%} to {error_then:.1%}."
    )


def _peft(chosen: Chosen, model: Model) -> str:
    """How to adapt the same layers with peft, where LoRA is what was chosen."""
    tuning = Tuning.of_identity(chosen.record["identity"])
    modules = lora_modules(chosen.layers, tuning)
    if not modules:
        return ""
    every = dict(model.network.named_modules())
    taken = [name for name in modules if peft_takes(every[name], tuning)]
    left = [f"`{name}`" for name in modules if name not in taken]
    if not taken:
        return ""
    return _PEFT.format(
        config=lora_config(taken, list(every), tuning, model.classifiers),
        model=chosen.layers["model"],
        left=_LEFT.format(modules=listed(left)) if left else "",
    )


def _trained(record: dict[str, Any]) -> str:
    tuning = Tuning.of_identity(record["identity"])
    share = 100 * record["trainable_parameters"] / record["total_parameters"]
    layers = "all layers" if tuning.layers == FULL else listed(f"`{name}`" for name in tuning.layers)
    how = "" if tuning.how.name == "weights" else f" ({tuning.how}, merged into the weights)"
    words = f"{layers}{how} and a new head" if layers else "only a new head"
    return f"{words}, {share:.3g} % of all parameters"


def _agreement(facts: dict[str, Any], precision: str, stored: Agreement, original: Agreement | None) -> str:
    words = [
        f"Loaded by timm and shown {stored.images:,} of the test images through timm's transforms, it gives "
        f"{stored.same:,} the recorded class{_why_not_all(stored, precision)}."
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


def _why_not_all(found: Agreement, precision: str) -> str:
    if found.same == found.images:
        return ""
    ways = ["rounds resized pixels to bytes"] + [f"computes in fp32 where the training did in {precision}"] * (
        precision != "fp32"
    )
    return f" (timm {' and '.join(ways)})"


def _data(facts: dict[str, Any], which: str) -> str:
    counts, labels = facts["counts"], facts["label_counts"]
    of_class = [sum(both) for both in zip(labels["train"], labels["val"], strict=True)]
    lines = [
        f"- train {counts['train']:,}, val {counts['val']:,}, test {counts['test']:,} images, {which} "
        "trained this model",
        f"- classes: {listed(facts['classes'], 50)}",
        f"- training images a class: {min(of_class):,} to {max(of_class):,}",
        f"- content (sha256): `{facts['sha256']}`",
    ]
    lines += [f"- {facts['citation']}"] if "citation" in facts else []
    return "\n".join([*lines, *(f"- {odd}" for odd in [*facts.get("warnings", []), *copy_sentences(facts)])])
