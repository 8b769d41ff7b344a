"""What a run's id depends on: everything that can change its number, and nothing else."""

import hashlib
import json
from dataclasses import fields, replace

import pytest

from subtuning.config import Recipe
from subtuning.runs import Backbone, Run, Split
from subtuning.runs.identity import canonical_json
from subtuning.tuning.tuning import FULL, Tuning
from tests.tiny import backbone, make_run

OTHER_RECIPE = {
    "epochs": 3,
    "batch_size": 16,
    "optimizer": "sgd",
    "lr": 0.02,
    "weight_decay": 0.0,
    "layer_decay": 0.75,
    "schedule": "step",
    "warmup": 0.1,
    "strategy": "gradual",
    "augmentation": "flip",
    "label_smoothing": 0.1,
    "class_weights": "balanced",
    "precision": "bf16",
    "head": "mlp",
    "head_depth": 2,
    "head_width": 8,
}
OTHER_BACKBONE = {
    "model": "other",
    "weights_sha256": "1" * 64,
    "input_size": 64,
    "interpolation": "bicubic",
    "mean": (0.5, 0.5, 0.5),
    "std": (0.5, 0.5, 0.5),
    "granularity": "stage",
    "crop": 0.875,
}
OTHER_RUN = {
    "task": "1" * 64,
    "split": Split("test"),
    "backbone": backbone(input_size=64),
    "tuning": Tuning(FULL),
    "recipe": Recipe(precision="bf16"),
    "seed": 1,
}


def test_the_tables_above_name_every_field():
    assert OTHER_RECIPE.keys() == Recipe.model_fields.keys()
    assert OTHER_BACKBONE.keys() == {field.name for field in fields(Backbone)}
    assert OTHER_RUN.keys() | {"names"} == {field.name for field in fields(Run)}


@pytest.mark.parametrize(
    "run",
    [
        make_run(),
        make_run(("a", 'b"c\\d', "é"), seed=7, split=Split("cv", 5, 3), head="mlp", warmup=0.1),
        Run(**OTHER_RUN, names=("task", "net")),
    ],
)
def test_the_id_is_the_hash_of_the_identity_that_the_record_shows(run):
    """It is put together from pieces for speed; the whole must be what anyone computes from a record."""
    text = json.dumps(run.identity(), sort_keys=True, separators=(",", ":"), allow_nan=False)
    assert run.id == hashlib.sha256(text.encode()).hexdigest()[:32]
    assert replace(run, seed=8).id != run.id, "an id that was asked for is not copied along"


@pytest.mark.parametrize("key", OTHER_RECIPE)
def test_every_recipe_value_changes_the_id(key):
    base = make_run(("a",), head="mlp") if key != "head" else make_run()
    changed = replace(base, recipe=base.recipe.model_copy(update={key: OTHER_RECIPE[key]}))
    assert changed.id != base.id
    shared = key in ("epochs", "batch_size", "augmentation", "precision")
    assert (changed.order != base.order) == shared, (
        "runs that differ in what a lane does alone are lanes of one training"
    )


@pytest.mark.parametrize("key", ["head_depth", "head_width"])
def test_a_linear_head_has_no_depth_and_width(key):
    assert make_run(**{key: 5}).id == make_run().id


@pytest.mark.parametrize("key", OTHER_BACKBONE)
def test_every_backbone_value_changes_the_id(key):
    base = make_run()
    assert replace(base, backbone=replace(base.backbone, **{key: OTHER_BACKBONE[key]})).id != base.id


@pytest.mark.parametrize("key", OTHER_RUN)
def test_every_other_value_changes_the_id(key):
    base = make_run()
    assert replace(base, **{key: OTHER_RUN[key]}).id != base.id


def test_splits_folds_and_subsets_differ():
    splits = [Split("val"), Split("test"), Split("cv", 3, 0), Split("cv", 3, 1), Split("cv", 5, 0)]
    subsets = [(), ("a",), ("b",), ("a", "b"), ("full",), FULL]
    assert len({make_run(split=split).id for split in splits}) == len(splits)
    assert len({make_run(subset).id for subset in subsets}) == len(subsets)


def test_names_and_the_place_of_files_change_nothing():
    base = make_run()
    renamed = replace(base, names=("other task", "other net"))
    assert renamed.id == base.id
    assert renamed == base
    assert hash(renamed) == hash(base)
    assert "net" not in canonical_json(base.identity())


def test_an_id_is_the_hash_of_canonical_json():
    base = make_run(("a", "b"), split=Split("cv", 5, 2))
    identity = base.identity()
    assert json.loads(canonical_json(identity)) == identity, "plain values only"
    assert canonical_json(dict(reversed(identity.items()))) == canonical_json(identity)
    assert canonical_json({"b": 1e-3, "a": [1.0]}) == '{"a":[1.0],"b":0.001}'
    assert len(base.id) == 32
    assert int(base.id, 16) >= 0
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"lr": float("nan")})


def test_the_id_of_equal_numbers_is_equal_however_they_were_written():
    """A backbone read from layers.json, a learning rate given as 1 or 1.0."""
    layers = {**OTHER_BACKBONE, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "layers": [], "features": 3}
    assert Backbone.of(json.loads(json.dumps(layers))) == Backbone(**OTHER_BACKBONE)
    assert make_run(lr=1).id == make_run(lr=1.0).id


def test_only_runs_of_the_same_images_in_the_same_order_are_lanes():
    base = make_run()
    assert base.with_tuning(Tuning(("a",))).order == base.order
    assert base.with_seed(1).order != base.order
    assert base.with_split(Split("cv", 5, 0)).order != base.with_split(Split("cv", 5, 1)).order


def test_a_run_in_words():
    assert str(make_run(("a", "b"), split=Split("cv", 5, 2), seed=4)) == "task/net a+b, fold 3/5, seed 4"
    assert str(make_run()) == "task/net linear, val, seed 0"


def test_a_run_has_no_id_before_its_precision_is_resolved():
    """Else a machine with bf16 and one without would give one id to different numbers."""
    run = make_run(precision="auto")
    with pytest.raises(ValueError, match="no id before its precision is resolved"):
        run.id  # noqa: B018
    ids = {run.with_precision(precision).id for precision in ("fp32", "bf16")}
    assert len(ids) == 2
    assert make_run(precision="fp32").with_precision("bf16") == make_run(precision="fp32"), "only auto is resolved"
