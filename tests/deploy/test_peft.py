"""The card's `LoraConfig` names exactly the modules that LoRA changed; peft's own rule of names is applied to it."""

import re

import pytest
import timm
from torch import nn
from torch.nn.utils import parametrize

from subtuning.deploy.deliver import deliver
from subtuning.deploy.peft import lora_config, lora_modules, peft_takes
from subtuning.tuning.tuning import EVERYTHING, ONLY_HEAD, Tuning
from tests.deploy.conftest import compared, write_task, write_weights
from tests.deploy.test_merge import trained


def selected(config: str, every: list[str]) -> list[str]:
    """As peft does: the names of a list, and names that end with one behind a dot; a text as a pattern of the whole."""
    found = eval(config, {"LoraConfig": lambda **options: options})["target_modules"]
    if isinstance(found, str):
        return [name for name in every if re.fullmatch(found, name)]
    return [name for name in every if name in found or name.endswith(tuple(f".{end}" for end in found))]


def test_what_peft_cannot_change_is_left_out():
    """Tried with peft 0.21: rank 2 on a depthwise convolution of 128 channels is an error."""
    tuning = Tuning.parse("blocks.0 with lora(rank=4)", ["blocks.0"])
    kinds = (nn.Linear(8, 8), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 8, 3, groups=2), nn.Conv2d(8, 8, 3, groups=8))
    assert [peft_takes(kind, tuning) for kind in kinds] == [True, True, True, False]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("test_vit", "blocks.2 with lora(rank=3,alpha=6,on=qkv)"),
        ("test_vit", "full with lora"),
        ("test_efficientnet", "blocks.2.0+blocks.3.0 with lora(rank=2)"),
        ("test_resnet", "layer3.0 with lora(rank=2)"),
    ],
)
def test_the_config_selects_what_was_changed(model, words, tmp_path):
    found = trained(tmp_path, model, words)
    modules = lora_modules(found.layers, found.tuning)
    changed = {name for layer in found.lane.trained.values() for name, m in layer.named_modules() if is_changed(m)}
    assert {*modules} == changed
    every = [name for name, _ in timm.create_model(model, num_classes=4).named_modules()]
    assert selected(lora_config(modules, every, found.tuning, ["head"]), every) == modules


def is_changed(module) -> bool:
    return parametrize.is_parametrized(module, "weight")


def test_names_that_end_others_become_a_pattern():
    tuning, every = (
        Tuning.parse("blocks.0 with lora(rank=8)", ["blocks.0"]),
        ["blocks.0.fc", "more.blocks.0.fc", "head"],
    )
    config = lora_config(["blocks.0.fc"], every, tuning, ["head"])
    assert config == "LoraConfig(r=8, lora_alpha=8, target_modules='blocks\\\\.0\\\\.fc', modules_to_save=['head'])"
    assert selected(config, every) == ["blocks.0.fc"]


def test_other_ways_of_training_have_none(tmp_path):
    layers = write_weights(tmp_path, "test_vit")
    for words in ("linear", "blocks.2", "blocks.2 with biases"):
        assert lora_modules(layers, Tuning.parse(words, ["blocks.2"])) == []


def test_the_card_has_it(tmp_path):
    write_task(tmp_path)
    layers = write_weights(tmp_path, "test_vit")
    names = [row["name"] for row in layers["layers"]]
    ways = {
        "linear": ONLY_HEAD,
        "full": EVERYTHING,
        "low": Tuning.parse("blocks.2 with lora(rank=2,on=attention)", names),
    }
    found = compared(tmp_path, layers, ways)
    for method in ("full", "low"):
        deliver(found[method], tmp_path / method)
    config = (
        "LoraConfig(r=2, lora_alpha=8, target_modules=['blocks.2.attn.qkv', 'blocks.2.attn.proj'], modules_to_save="
    )
    assert config + "['head'])" in (tmp_path / "low" / "README.md").read_text()
    assert "peft" not in (tmp_path / "full" / "README.md").read_text()
