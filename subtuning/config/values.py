"""The kinds of values that config keys take, each with the limits that a checker and an editor both know."""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, WithJsonSchema

from subtuning.config.words import one_of
from subtuning.errors import did_you_mean
from subtuning.paths import user_path
from subtuning.registry import names_of

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
"""Names become folder names and Snakemake wildcards, so they hold no slash, space or shell character."""

RESERVED_NAMES = frozenset(
    {"backbones", "benchmarks", "checkpoints", "claims", "data", "figures", "logs", "models", "runs", "tables", "tasks"}
    | {"tensorboard", "readme.md"}
)
"""What else is in `results/`, in small letters: not every file system tells `Tasks` from `tasks`."""

METHOD_NAMES = frozenset({"linear", "full", "best_layer", "greedy", "full_budget"})
"""The methods that are always compared; a subset of the user's must not look like one of them."""

NUMBER_PATTERN = r"^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$"
"""Text that is a number for everybody but YAML 1.1, which reads 1e-3 as text, and `snakemake --config`, which reads all
nested values as text."""


def read_number(value: Any) -> Any:
    """A number, or a list of them, in place of such text; anything else as it is."""
    if isinstance(value, list):
        return [inner if isinstance(inner, list) else read_number(inner) for inner in value]
    if not isinstance(value, str) or len(value) > 40 or not re.fullmatch(NUMBER_PATTERN, value):
        return value
    return int(value) if value.lstrip("+-").isdecimal() else float(value)


def read_options(value: Any) -> Any:
    """Options of an experiment, whose kinds only it knows, with numbers in place of such text."""
    return {key: read_number(inner) for key, inner in value.items()} if isinstance(value, dict) else value


def read_truth(value: Any) -> Any:
    """True or false in place of such text, which is what `snakemake --config` gives; anything else as it is."""
    return {"true": True, "false": False}.get(value.lower(), value) if isinstance(value, str) else value


def _folder_name(name: str) -> str:
    if name.lower() in RESERVED_NAMES:
        raise ValueError(f"the name {name!r} is taken by a folder or file of results/; choose another name")
    if ".." in name:
        raise ValueError(f"the name {name!r} holds '..'; choose another name")
    return name


def _subset_name(name: str) -> str:
    if name in METHOD_NAMES:
        raise ValueError(f"{name!r} is the name of a method that is always compared; choose another name")
    return name


WEIGHT_FILES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt", ".tar", ".npz")
"""How the name of a weights file ends. What the file is, its content says."""

WEIGHTS_PATTERN = (
    rf"^(timm|random|package:[A-Za-z_][A-Za-z0-9_.]*|.+\.({'|'.join(ending[1:] for ending in WEIGHT_FILES)}))$"
)


def _weights(value: str) -> str:
    if re.fullmatch(WEIGHTS_PATTERN, value):
        return value
    raise ValueError(
        f"must be 'timm', 'random', 'package:<import name>' or the path of a file that ends with "
        f"{', '.join(WEIGHT_FILES)}"
    )


def _all_or_count(value: Any) -> Any:
    """A number of images, or the word."""
    if value == "all" or (isinstance(value, int) and not isinstance(value, bool) and value >= 2):
        return value
    raise ValueError("must be a whole number of images, 2 or more, or all")


def _share_or_count(value: Any) -> float | int:
    """Keep the type: the whole number 1 is one image, and 1.0 is neither a share nor a count."""
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    if is_count or (isinstance(value, float) and 0 < value < 1):
        return value
    raise ValueError("must be a share between 0 and 1, or a whole number of images")


def _strategy(name: str) -> str:
    known = names_of("strategies")
    if name in known:
        return name
    raise ValueError(f"must be {one_of(known)}{did_you_mean(name, known)}".replace("`", "'"))


def _how(text: str) -> str:
    name, known = text.partition("(")[0].strip(), names_of("adapters")
    if name in known:
        return text
    words = f"must be {one_of(known)}, perhaps with options{did_you_mean(name, known)}"
    raise ValueError(words.replace("`", "'"))


def _one_or_more(value: Any) -> Any:
    """`last 2` in place of `[last 2]`."""
    return [value] if isinstance(value, str) and value.strip() else value


Layers = Annotated[
    list[str],
    BeforeValidator(_one_or_more),
    Field(min_length=1),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "array", "items": {"type": "string"}, "minItems": 1, "examples": [["layer3.0", "layer4.2"]]},
                {"type": "string", "pattern": r"\S", "examples": ["last 2"]},
            ]
        }
    ),
]
Name = Annotated[str, Field(pattern=NAME_PATTERN), AfterValidator(_folder_name)]
SubsetName = Annotated[str, Field(pattern=NAME_PATTERN), AfterValidator(_subset_name)]
Column = Annotated[str, Field(min_length=1, max_length=200)]
PathText = Annotated[str, Field(pattern=r"^[^\x00-\x1f]+$"), AfterValidator(user_path)]
Weights = Annotated[
    str, AfterValidator(_weights), AfterValidator(user_path), Field(json_schema_extra={"pattern": WEIGHTS_PATTERN})
]
Strategy = Annotated[str, AfterValidator(_strategy)]
How = Annotated[str, AfterValidator(_how)]
Count = Annotated[int, Field(ge=1, le=1_000)]
Several = Annotated[int, Field(ge=2, le=1_000)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Pixels = Annotated[int, Field(ge=8, le=4096)]
Positive = Annotated[float, Field(gt=0)]
Factors = Annotated[
    list[Positive], Field(min_length=1, max_length=20, json_schema_extra={"examples": [[0.1, 0.3, 1, 3]]})
]
NotNegative = Annotated[float, Field(ge=0)]
Values = Annotated[list[NotNegative], Field(max_length=20, json_schema_extra={"examples": [[0, 0.01, 0.1]]})]
Share = Annotated[float, Field(ge=0, lt=1)]
Shares = Annotated[
    list[Annotated[float, Field(gt=0, le=1)]], Field(max_length=20, json_schema_extra={"examples": [[0.65, 0.8, 1]]})
]
Counts = Annotated[list[Count], Field(max_length=20, json_schema_extra={"examples": [[2, 4, 8]]})]
Channels = Annotated[list[Annotated[float, Field(ge=0, le=1)]], Field(min_length=3, max_length=3)]
ChannelSpreads = Annotated[list[Annotated[float, Field(gt=0, le=1)]], Field(min_length=3, max_length=3)]
ShareOrCount = Annotated[
    float | int,
    PlainValidator(_share_or_count),
    WithJsonSchema(
        {"anyOf": [{"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1}, {"type": "integer", "minimum": 1}]}
    ),
]
TrainImages = Annotated[
    int | Literal["all"],
    PlainValidator(_all_or_count),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 2}, {"enum": ["all"]}]}),
]

NAMED = {"propertyNames": {"pattern": NAME_PATTERN, "not": {"enum": sorted(RESERVED_NAMES)}}}
NAMED_SUBSETS = {"propertyNames": {"pattern": NAME_PATTERN, "not": {"enum": sorted(METHOD_NAMES)}}}
"""What a JSON schema says about the names of entries; pydantic leaves names' validators out of it."""

Options = Annotated[dict[str, Any], BeforeValidator(read_options)]
"""Options of an experiment."""
