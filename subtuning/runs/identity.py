"""What identifies a run: everything that can change its number, and nothing else."""

import hashlib
import json
from dataclasses import asdict, dataclass, field, replace
from functools import cache, cached_property
from typing import Any, Literal

from subtuning.config import Recipe
from subtuning.runs import numbers as versions
from subtuning.runs.numbers import numbers_of
from subtuning.tuning.tuning import Tuning


@dataclass(frozen=True)
class Split:
    """Which images train a run and which score it.

    Attributes:
        kind: `cv`: trained on train + val less one fold, scored on that fold. `val`: trained on train, scored on val.
            `test`: trained on train + val, scored on test; only the evaluation asks for it. `all`: trained on every
            image, so there is nothing left to score it; only a model that is delivered asks for it. `pool`: trained on
            the labelled images of train + val, scored on the others; only active learning asks for it.
        folds, fold: number of folds, and which one (from 0) is held out; only for `cv`.
        labelled: for `pool` and `test`, which images of train + val are trained on: a bit an image, as hex digits (see
            `labelled_rows`); empty for all.
    """

    kind: Literal["cv", "val", "test", "all", "pool"]
    folds: int | None = None
    fold: int | None = None
    labelled: str = ""

    def __str__(self) -> str:
        if self.labelled:
            return f"{self.kind} after {int(self.labelled, 16).bit_count()} labels"
        return self.kind if self.fold is None else f"fold {self.fold + 1}/{self.folds}"


@dataclass(frozen=True)
class Backbone:
    """What of a backbone can change a number; made from `layers.json`."""

    model: str
    weights_sha256: str
    input_size: int
    interpolation: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    granularity: str
    crop: float = 1.0

    @classmethod
    def of(cls, layers: dict[str, Any]) -> "Backbone":
        """From the content of a `layers.json`."""
        values = {key: layers[key] for key in cls.__dataclass_fields__ if key in layers}
        return cls(**values | {"mean": tuple(values["mean"]), "std": tuple(values["std"])})


@dataclass(frozen=True)
class Run:
    """One training: task x split x backbone x tuning x recipe x seed (x fold).

    Attributes:
        task: the sha256 of the converted task's content.
        recipe: its precision must be resolved before the run has an id (see `subtuning.runs.precision`).
        names: task and backbone as the user calls them; for people only, not part of the identity.
    """

    task: str
    split: Split
    backbone: Backbone
    tuning: Tuning
    recipe: Recipe
    seed: int = 0
    names: tuple[str, str] = field(default=("", ""), compare=False)

    def identity(self) -> dict[str, Any]:
        """All that the id is made from, as plain values."""
        values = {
            "task": self.task,
            "split": self.split.kind,
            "folds": self.split.folds,
            "fold": self.split.fold,
            "backbone": _plain(self.backbone),
            **self.tuning.plain(),
            "recipe": effective(self.recipe, bool(self.tuning.layers)),
            "seed": self.seed,
        }
        if self.split.labelled:
            values["labelled"] = self.split.labelled
        return values | {"numbers": numbers_of(values)}

    @cached_property
    def id(self) -> str:
        """32 hex digits: the hash of the identity's canonical JSON.

        That text is put together from pieces, most of which thousands of runs share.

        Raises:
            ValueError: the precision is `auto`: two machines would give one id to different numbers.
        """
        if self.recipe.precision == "auto":
            raise ValueError(f"run {self} has no id before its precision is resolved")
        return self._id_with(self.identity()["numbers"])

    @property
    def earlier_ids(self) -> list[str]:
        """The ids that this run had with each earlier version of its numbers."""
        identity = self.identity()
        concerned = (change.version for change in versions.CHANGES if change.concerns(identity))
        return [self._id_with(version) for version in concerned if version < identity["numbers"]]

    def _id_with(self, numbers: int) -> str:
        split, recipe = self.split, _text_of_recipe(self.recipe, bool(self.tuning.layers))
        labelled = f'"labelled":"{split.labelled}",' if split.labelled else ""
        text = (
            f'{{"backbone":{_text_of_backbone(self.backbone)},"fold":{_text(split.fold)},'
            f'"folds":{_text(split.folds)},{labelled}"method":"{self.tuning.how}","numbers":{numbers},'
            f'"recipe":{recipe},"seed":{self.seed},"split":"{split.kind}",'
            f'"subset":{_text(self.tuning.layers)},"task":"{self.task}"}}'
        )
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def order(self) -> tuple:
        """Runs of equal order see the same images in the same order, so they can be lanes of one training."""
        return (self.task, self.split, self.backbone, self.recipe.shared, self.seed)

    def with_tuning(self, tuning: Tuning) -> "Run":
        """The same run with other layers, or trained in another way."""
        return replace(self, tuning=tuning)

    def with_split(self, split: Split) -> "Run":
        """The same run on other images."""
        return replace(self, split=split)

    def with_seed(self, seed: int) -> "Run":
        """The same run with another head, batch order and augmentation."""
        return replace(self, seed=seed)

    def with_recipe(self, recipe: Recipe) -> "Run":
        """The same run with other hyperparameters."""
        return replace(self, recipe=recipe)

    def with_precision(self, precision: str) -> "Run":
        """The same run in this precision, if its own is `auto`."""
        return replace(self, recipe=_resolved(self.recipe, precision)) if self.recipe.precision == "auto" else self

    def __str__(self) -> str:
        return f"{'/'.join(self.names)} {self.tuning}, {self.split}, seed {self.seed}"


@cache
def _plain(backbone: Backbone) -> dict[str, Any]:
    return asdict(backbone) | {"mean": list(backbone.mean), "std": list(backbone.std)}


@cache
def _resolved(recipe: Recipe, precision: str) -> Recipe:
    return recipe.model_copy(update={"precision": precision})


@cache
def _text_of_backbone(backbone: Backbone) -> str:
    return canonical_json(_plain(backbone))


@cache
def _text_of_recipe(recipe: Recipe, layers: bool) -> str:
    return canonical_json(effective(recipe, layers))


ADDED: tuple[str, ...] = ("layer_decay", "strategy", "class_weights")
"""Recipe keys added after the first version: at their defaults they change no id, so that older runs stay."""


OF_LAYERS = ("layer_decay", "strategy")
"""Keys of the recipe that say how layers learn; they are nothing to a run that trains the head alone."""


def effective(recipe: Recipe, layers: bool) -> dict[str, Any]:
    """The recipe without keys that change nothing: one that another switches off (a linear head has no depth), one of
    `ADDED` at its default, and those of layers where none is trained."""
    values = recipe.model_dump()
    values = {k: v for k, v in values.items() if k not in ADDED or v != Recipe.model_fields[k].default}
    if not layers:
        values = {k: v for k, v in values.items() if k not in OF_LAYERS}
    if recipe.head == "linear":
        del values["head_depth"], values["head_width"]
    return values


def canonical_json(value: Any) -> str:
    """One text for one value: sorted keys, no spaces, shortest floats."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


_text = cache(canonical_json)
