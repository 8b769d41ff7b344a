"""What a new user does, from photos in folders to a model that is used without this package."""

import csv
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
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
import timm, torch
from PIL import Image

model = timm.create_model("local-dir:" + sys.argv[1], pretrained=True).eval()
see = timm.data.create_transform(**timm.data.resolve_data_config(model=model))
with torch.inference_mode():
    for path in sys.argv[2:]:
        said = model(see(Image.open(path).convert("RGB"))[None]).argmax().item()
        print(path, model.pretrained_cfg["label_names"][said], sep=",")
assert "subtuning" not in sys.modules
"""


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


def test_the_model_says_what_new_photos_show_with_and_without_this_package(study):
    folder, call, *_ = study
    model = "results/photos/efficientnet_lite0/model"
    done = call("subtuning", "predict", model, "new", "--out", "predictions.csv")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader((folder / "predictions.csv").open()))
    said = {row["image"]: row["class"] for row in rows}
    assert len(said) == 12
    right = sum(name == image.split("/")[1] for image, name in said.items())
    assert right >= 9, said
    plain = call(sys.executable, "-I", "-c", WITHOUT_THIS_PACKAGE, model, *said)
    assert plain.returncode == 0, plain.stderr
    assert dict(line.split(",") for line in plain.stdout.splitlines()) == said
