"""What a new user does, from photos in folders to a model that is used without this package."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from tests.workflow.snake import ROOT, real_environment

COLOURS = ["blue", "green", "red"]

WITHOUT_THIS_PACKAGE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("subtuning", "snakemake"):
            raise ImportError(name)

sys.meta_path.insert(0, Refuse())
import onnxruntime, timm, torch
from PIL import Image

model = timm.create_model("local-dir:" + sys.argv[1], pretrained=True).eval()
exported = onnxruntime.InferenceSession(sys.argv[2], providers=["CPUExecutionProvider"])
see = timm.data.create_transform(**timm.data.resolve_data_config(model=model))
names = model.pretrained_cfg["label_names"]
with torch.inference_mode():
    for path in sys.argv[3:]:
        seen = see(Image.open(path).convert("RGB"))[None]
        (logits,) = exported.run(["logits"], {"images": seen.numpy()})
        print(path, names[model(seen).argmax().item()], names[logits.argmax()], sep=",")
assert "subtuning" not in sys.modules
"""

MODEL = "results/photos/efficientnet_lite0/model"
SECOND = "results/edges/efficientnet_lite0/model"


def photos(folder, count, seed):
    """Noise in which one colour is a little stronger: below `folder`, one subfolder a class."""
    chance = np.random.default_rng(seed)
    for channel, name in enumerate(reversed(COLOURS)):
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = chance.integers(0, 160, (40, 48, 3))
            pixels[..., channel] += 80
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A folder after `init` and the workflow, and what both printed."""
    folder = tmp_path_factory.mktemp("study")
    photos(folder / "photos", 20, 0)
    photos(folder / "new", 4, 1)
    environment = real_environment(PATH=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))

    def call(*words):
        return subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, check=False)

    began = call("subtuning", "init", "photos", "--quick")
    assert began.returncode == 0, began.stderr
    ran = call("snakemake", "--snakefile", str(ROOT / "Snakefile"), "--cores", "2", "--configfile", "my.yaml")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return folder, call, began, ran


pytestmark = pytest.mark.slow


def test_init_looked_and_the_workflow_answered(study):
    folder, _, began, ran = study
    assert "photos: 60 images of 3 classes (36 train, 12 val, 12 test), all 48 x 40 pixels" in began.stdout
    assert re.search(r"^Wrote my.yaml: (under a|about \d+) minutes? here, on ", began.stdout, re.MULTILINE)
    answer = (folder / "results/photos/efficientnet_lite0/answer.md").read_text()
    lead = answer.split("\n\n")[1]
    assert lead.startswith(("Fine-tune", "Train only a new head")), lead
    assert answer.split("\n\n")[0].lstrip("# ") in ran.stdout + ran.stderr, "the answer ends the workflow"
    assert "lane-epoch" not in ran.stderr
    assert "\r" not in ran.stderr
    assert re.search(
        r"^\d\d:\d\d:\d\d  step \d+ of \d+: train_profile photos/efficientnet_lite0 shard 0$", ran.stderr, re.M
    )


def rows_of(file):
    return list(csv.DictReader(file.open()))


@pytest.fixture(scope="module")
def said(study):
    """What `predict` writes of the new photos, a row each."""
    folder, call, *_ = study
    done = call("subtuning", "predict", MODEL, "new", "--out", "predictions.csv")
    assert done.returncode == 0, done.stderr
    return rows_of(folder / "predictions.csv")


def test_the_model_says_what_new_photos_show(said):
    assert len(said) == 12
    right = sum(row["class"] == row["image"].split("/")[1] for row in said)
    assert right >= 9, said


def test_plain_timm_and_onnxruntime_say_the_same_without_this_package(study, said, subtuning):
    folder, call, *_ = study
    exported = subtuning(folder, "export-model", MODEL, "--out", "model.onnx", "--images", "new")
    assert exported.code == 0, exported.output
    plain = call(sys.executable, "-I", "-c", WITHOUT_THIS_PACKAGE, MODEL, "model.onnx", *(row["image"] for row in said))
    assert plain.returncode == 0, plain.stderr
    told = [line.split(",") for line in plain.stdout.splitlines()]
    assert told == [[row["image"], row["class"], row["class"]] for row in said]


def test_one_trunk_answers_a_second_task_too(study, said, snakemake, subtuning):
    """And says what each model says alone."""
    folder, *_ = study
    for place, name in enumerate(["left", "right"]):
        (folder / "edges" / name).mkdir(parents=True)
        for number in range(12):
            pixels = np.random.default_rng(number).integers(0, 160, (40, 48, 3))
            pixels[:, 24 * place : 24 * place + 24] += 80
            Image.fromarray(pixels.astype(np.uint8)).save(folder / "edges" / name / f"{number}.png")
    first = yaml.safe_load((folder / "my.yaml").read_text())
    second = first | {"tasks": {"edges": first["tasks"]["photos"] | {"path": "edges"}}, "evaluate": {"seeds": 2}}
    (folder / "second.yaml").write_text(yaml.safe_dump(second))
    ran = snakemake(folder, f"{SECOND}/config.json", "--configfile", "second.yaml")
    assert ran.code == 0, ran.output
    for words, file in (([MODEL, "--also", SECOND], "both.csv"), ([SECOND], "second.csv")):
        done = subtuning(folder, "predict", *words[:1], "new", *words[1:], "--out", file)
        assert done.code == 0, done.output
    alone = {"photos": said, "edges": rows_of(folder / "second.csv")}
    for row, *own in zip(rows_of(folder / "both.csv"), *alone.values(), strict=True):
        for task, one in zip(alone, own, strict=True):
            assert (row["image"], row[f"{task}_class"]) == (one["image"], one["class"])
            assert float(row[f"{task}_probability"]) == pytest.approx(float(one["probability"]), abs=1e-3)
