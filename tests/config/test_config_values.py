"""What the rest of the project asks of a config."""

import pytest

from subtuning.config import Recipe, parse_config
from subtuning.config.recipe import RecipeOverride
from subtuning.errors import UserError

CONFIG = {
    "tasks": {"plain": {"source": "builtin"}, "special": {"source": "builtin", "recipe": {"lr": 0.3, "epochs": 3}}},
    "backbones": {"r": {"model": "m"}, "v": {"model": "m", "recipe": {"lr": 0.2, "warmup": 0.2}}},
    "recipe": {"lr": 0.1, "batch_size": 8},
}


@pytest.mark.parametrize(
    ("task", "backbone", "changed"),
    [
        ("plain", "r", {"lr": 0.1}),
        ("plain", "v", {"lr": 0.2, "warmup": 0.2}),
        ("special", "r", {"lr": 0.3, "epochs": 3}),
        ("special", "v", {"lr": 0.3, "epochs": 3, "warmup": 0.2}),
    ],
)
def test_the_recipe_is_overridden_by_the_backbone_then_by_the_task(task, backbone, changed):
    assert parse_config(CONFIG).recipe_of(task, backbone) == Recipe(batch_size=8, **changed)


def test_an_override_can_set_the_default_again():
    content = CONFIG | {"tasks": {"a": {"source": "builtin", "recipe": {"lr": 1e-3, "warmup": 0.0}}}}
    recipe = parse_config(content).recipe_of("a", "v")
    assert (recipe.lr, recipe.warmup) == (1e-3, 0.0)


def test_overrides_have_exactly_the_keys_and_limits_of_the_recipe():
    assert set(RecipeOverride.model_fields) == set(Recipe.model_fields)
    for key, value in {"lr": 0, "epochs": 0, "warmup": 1, "optimizer": "x", "head_depth": 17}.items():
        with pytest.raises(ValueError, match="validation error"):
            Recipe(**{key: value})
        with pytest.raises(ValueError, match="validation error"):
            RecipeOverride(**{key: value})


def test_subsets_of_a_backbone():
    backbones = {"r": {"model": "m", "subsets": {"last": ["layer4.2"]}}, "v": {"model": "m"}}
    config = parse_config(CONFIG | {"backbones": backbones, "evaluate": {"subsets": {"first": "stem"}}})
    assert config.subsets_of("r") == {"first": "stem", "last": "layer4.2"}
    assert config.subsets_of("v") == {"first": "stem"}
    assert config.evaluate.subsets == {"first": ["stem"]}, "asking does not change the config"


def test_two_backbones_may_use_one_subset_name():
    backbones = {name: {"model": "m", "subsets": {"last": [layer]}} for name, layer in {"r": "x", "v": "y"}.items()}
    config = parse_config(CONFIG | {"backbones": backbones})
    assert (config.subsets_of("r"), config.subsets_of("v")) == ({"last": "x"}, {"last": "y"})


def test_a_config_cannot_be_changed():
    config = parse_config(CONFIG)
    with pytest.raises(ValueError, match="frozen"):
        config.recipe.lr = 1.0
    with pytest.raises(UserError):
        parse_config(CONFIG | {"recipe": {"lr": "a lot"}})


@pytest.mark.parametrize(("text", "truth"), [("true", True), ("False", False)])
def test_what_the_command_line_gives_as_text_is_read(text, truth):
    """`snakemake --config 'tune={grow: true}'` gives the workflow texts."""
    config = parse_config(CONFIG | {"tune": {"grow": text}, "search": {"first_seed": "3"}})
    assert (config.tune.grow, config.search.first_seed) == (truth, 3)
    with pytest.raises(UserError, match=r"^config: tune\.grow is 'maybe'; it must be 'true' or 'false'"):
        parse_config(CONFIG | {"tune": {"grow": "maybe"}})


def test_options_of_experiments_that_the_command_line_gives_as_text_are_read():
    given = {"stability": {"seeds": "1", "lr": ["0.3"], "epsilon": ["0", "5e-3"], "stop": ["test"]}, "rankings": {}}
    found = parse_config(CONFIG | {"experiments": given}).experiments
    assert found["stability"] == {"seeds": 1, "lr": [0.3], "epsilon": [0, 0.005], "stop": ["test"]}
    assert found["rankings"] == {}
