"""Configs, names and weights of the worst kind: one sentence, soon, and nothing written outside `results/`.

`tests/config/wrong_configs.py` has the values that are wrong; here is what is wrong with the file, and with names on
the command line, which become folders too.
"""

import argparse
import json
import os
import re
import struct
import zipfile
from importlib import import_module
from pathlib import Path

import pytest

from subtuning.cli import VERBS
from subtuning.cli.common import entry_name
from subtuning.errors import UserError
from subtuning.workflow.params import Params
from tests.config.wrong_configs import GOOD
from tests.hostile.conftest import TERA, call, refused, sparse, tree


def laughs(path: Path) -> None:
    """A billion laughs: 12 lines that unfold to 10 ** 12 words."""
    lines = ["a0: &a0 [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    path.write_text("\n".join(lines) + "\n" + GOOD)


def written(content: bytes):
    return lambda path: path.write_bytes(content)


FILES = {
    "a billion laughs": (laughs, r"line 2: an alias \(\*a0\) is used; write the value out"),
    "an anchor that holds itself": (written(b"a: &a [*a]\n"), r"line 1: an alias \(\*a\) is used"),
    "an anchor that nobody uses": (written(GOOD.encode() + b"recipe: &x {lr: no}\n"), "recipe.lr is false; it must be"),
    "a merge of itself": (written(b"a: &a\n  <<: *a\n"), "line 2: a(n alias| merge key)"),
    "a bracket 90,000 times": (written(b"{" * 90_000), "nested too deeply|expected"),
    "a dash 90,000 times": (written(b"- " * 45_000), "nested too deeply"),
    "a number of 90,000 digits": (written(GOOD.encode() + b"split: " + b"9" * 90_000), "a very long|none"),
    "infinity": (written(GOOD.encode() + b"recipe: {weight_decay: .inf}"), r"weight_decay is inf; it must be a number"),
    "not a number": (written(GOOD.encode() + b"greedy: {epsilon: .nan}"), r"greedy\.epsilon is nan; it must be"),
    "a name with a line end": (written(b'tasks: {"a\\nb": {source: builtin}}\n'), r"'a\\+nb' is not a usable name"),
    "a name in Greek": (written("tasks: {αβγ: {source: builtin}}\n".encode()), "'αβγ' is not a usable name"),
    "a name above": (written(b"tasks: {../x: {source: builtin}}\n"), r"'\.\./x' is not a usable name"),
    "a name that a shell would obey": (written(b"tasks: {$(ls): {source: builtin}}\n"), r"'\$\(ls\)' is not a usable"),
    "a wildcard for a name": (written(b"tasks: {'{task}': {source: builtin}}\n"), r"'\{task\}' is not a usable name"),
    "an option for a name": (written(b"tasks: {--out: {source: builtin}}\n"), "'--out' is not a usable name"),
    "a key that clears the screen": (written(b'"\\e[2J": 1\n'), r"unknown key '\\x1b\[2J'"),
    "pixels instead of text": (written(b"\x89PNG\r\n\x1a\n\xff\xd8"), "is not UTF-8 text|not valid YAML"),
    "zeros": (written(bytes(1000)), "not valid YAML"),
    "a terabyte of zeros": (sparse, "is larger than 100,000 bytes"),
    "a pipe": (os.mkfifo, r"is not a regular file; name a YAML file"),
    "a device": (lambda path: path.symlink_to("/dev/zero"), "is not a regular file"),
    "a folder": (Path.mkdir, "is a folder; name a YAML file"),
    "a link to itself": (lambda path: path.symlink_to(path.name), "does not exist"),
}  # fmt: skip


@pytest.mark.parametrize("case", FILES)
def test_config_files(case, tmp_path):
    make, sentence = FILES[case]
    make(tmp_path / "my.yaml")
    said = refused(tmp_path, "status", "--config", "my.yaml")
    assert said.startswith(("error: my.yaml", "error: config file my.yaml"))
    assert re.search(sentence, said), said
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("x" * 5000, "File name too long"),
        ("x/" * 3000, "File name too long"),
        ("", "is a folder"),
        ("a\0b", "does not exist|embedded null"),
    ],
)
def test_names_of_config_files(name, sentence, tmp_path):
    assert re.search(sentence, refused(tmp_path, "status", "--config", name))


def test_a_config_that_may_not_be_read(as_nobody):
    folder, nobody = as_nobody
    (folder / "my.yaml").write_text(GOOD)
    assert call(folder, "status", "--config", "my.yaml").code == 0
    (folder / "my.yaml").chmod(0)
    with nobody():
        assert refused(folder, "status", "--config", "my.yaml") == (
            "error: config file my.yaml cannot be read: Permission denied"
        )


@pytest.mark.parametrize("path", ["x" * 5000, "x/" * 3000, "a/../" * 1000, "~nobody/x", "/proc/self/mem/x", "$HOME"])
def test_paths_that_lead_nowhere_stop_snakemake_at_once(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    content = {"tasks": {"a": {"source": "folder", "path": path}}, "backbones": {"b": {"model": "test_vit"}}}
    with pytest.raises(UserError, match=r"^config: tasks\.a\.path is '.*', which does not exist \(looked in "):
        Params(content)


NAMES = [
    "../x",
    "a/b",
    "/etc/x",
    "..",
    ".",
    "",
    "a..b",
    "a b",
    "$(touch hacked)",
    "a\nb",
    "x" * 65,
    "αβγ",
    "-rf",
    "a\0",
]
WITH_A_NAME = {
    "convert": ["--task", None, "--spec", '{"source": "builtin"}'],
    "fetch-task": ["--task", None, "--spec", '{"source": "builtin"}'],
    "fetch": ["--spec", '{"model": "test_vit", "weights": "random"}', "--backbone", None],
    "describe": ["--spec", '{"model": "test_vit", "weights": "random"}', "--backbone", None],
    "verify": [None],
    "export": [None, "out"],
    "train": ["--backbone", "b", "--layers", "linear", "--task", None],
    "train-step": ["profile", "--task", "t", "--out", "o", "--backbone", None],
}
"""Verb -> its words; None is where the name stands."""


@pytest.mark.parametrize("verb", WITH_A_NAME)
@pytest.mark.parametrize("name", NAMES)
def test_names_on_the_command_line_lead_nowhere_else(verb, name, tmp_path):
    (tmp_path / "deeper" / "results").mkdir(parents=True)
    before = tree(tmp_path)
    outcome = call(tmp_path / "deeper", verb, *[name if word is None else word for word in WITH_A_NAME[verb]])
    assert outcome.code == 2
    assert len(outcome.errors) == 1, outcome.output
    assert re.search(r"is no name; use 1 to 64|expected one argument|are required|unrecognized", outcome.errors[0])
    assert tree(tmp_path) == before
    assert not list((tmp_path / "deeper" / "results").iterdir())


def test_every_verb_that_takes_a_name_checks_it(tmp_path):
    """But `runs`, which compares it, and `figures`, which writes it into a title."""
    for verb, (module, _) in VERBS.items():
        parser = argparse.ArgumentParser()
        getattr(import_module(f"subtuning.cli.{module}"), f"{verb.replace('-', '_')}_arguments")(parser)
        named = [action for action in parser._actions if action.dest in ("task", "backbone", "tasks")]
        assert verb in ("runs", "figures") or all(action.type is entry_name for action in named), verb


PROFILE = ["train-step", "profile", "--task", "t", "--backbone", "b", "--out", "o"]


@pytest.mark.parametrize("word", ["--recipe", "--spec"])
@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 100_000, "NaN", "1e999", '"\\ud800"', "{", "", "9" * 10_000, "[[]]", "null"]
)
def test_json_on_the_command_line(word, text, tmp_path):
    verb = ["convert", "--task", "t"] if word == "--spec" else PROFILE
    said = refused(tmp_path, *verb, word, text)
    assert re.search(rf"{word}|task t is|config file config/config.yaml does not|results/tasks/t/task\.json is", said)


def tensors(claimed):
    """A `.safetensors` file of a few bytes whose header claims any size."""
    text = json.dumps({"a": {"dtype": "F32", "shape": [claimed // 4], "data_offsets": [0, claimed]}}).encode()
    return struct.pack("<Q", len(text)) + text + bytes(16)


def torch_zip(path, claimed):
    """A file of `torch.save`'s kind whose zip says that one tensor has any size."""
    import torch

    torch.save({"a": torch.zeros(4)}, path)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        name = next(entry for entry in archive.namelist() if entry.endswith("/data/0"))
    place = data.rindex(name.encode()) - 46
    data[place + 20 : place + 28] = struct.pack("<II", claimed, claimed)
    path.write_bytes(data)


WEIGHTS = {
    "a terabyte of tensors": ("w.safetensors", written(tensors(TERA))),
    "a header of a terabyte": ("w.safetensors", written(struct.pack("<Q", TERA) + bytes(100))),
    "a file of a terabyte": ("w.safetensors", sparse),
    "a checkpoint of a terabyte": ("w.pth", sparse),
    "a zip that lies": ("w.pth", lambda path: torch_zip(path, 0xFFFFFF00)),
    "a pipe": ("w.pth", os.mkfifo),
    "a device": ("w.bin", lambda path: path.symlink_to("/dev/zero")),
    "a folder": ("w.pt", Path.mkdir),
}


@pytest.mark.parametrize("case", WEIGHTS)
def test_weights(case, tmp_path):
    """Pickles that run code are in `tests/backbones/test_weights.py`."""
    name, make = WEIGHTS[case]
    make(tmp_path / name)
    said = refused(tmp_path, "fetch", "--backbone", "b", "--spec", json.dumps({"model": "test_vit", "weights": name}))
    assert re.search(rf"weights file {name} (is damaged or of another format|is no file)", said)
    assert not list(tmp_path.glob("results/backbones/b/*"))


MODELS = ["../x", "evil/model", "https://evil/model", "test_vit.*", "*", "test_vit\n", ""]
MODELS += ["$(touch x)", "x" * 9999, "test_vit.", "test_vit.nothing", "\x1b[2J"]


@pytest.mark.parametrize("model", MODELS)
def test_models_that_timm_does_not_have_are_not_looked_for_elsewhere(model, tmp_path):
    if model == "test_vit.":
        assert call(tmp_path, "layers", model).code in (0, 2)
    else:
        assert re.search("timm has no model|timm's model|model is", refused(tmp_path, "layers", model))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("model", ["hf-hub:evil/model", "hf_hub:../../x", "hf-hub:", "local-dir:/x", "local-dir:"])
def test_places_that_hold_no_model(model, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    right = r"model: local-dir:\S* must be a folder with|model hf-hub:\S+ could not be fetched|timm has no model"
    assert re.search(right, refused(tmp_path, "layers", model))
