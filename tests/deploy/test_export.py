"""An exported file gives what the model gives, to programs that know neither timm nor torch, or is not written."""

import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

from subtuning.cli import main
from subtuning.deploy import export
from subtuning.deploy.folder import Model
from subtuning.runs.predictions import unpack
from tests.tiny import SIZE

only_vit = pytest.mark.parametrize("comparison", ["test_vit"], indirect=True)


@pytest.fixture
def photos(comparison, tmp_path):
    """The test images as files."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for row, pixels in enumerate(comparison["mine"].task.part("test")[0]):
        Image.fromarray(np.array(pixels)).save(folder / f"{row:02d}.png")
    return folder


def as_seen(model, photos) -> torch.Tensor:
    return torch.stack([Model(model).see(Image.open(file)) for file in sorted(photos.iterdir())])


@pytest.mark.slow
@pytest.mark.parametrize("comparison", ["test_resnet", "test_vit"], indirect=True)
def test_onnxruntime_gives_the_recorded_classes(comparison, model, photos, tmp_path, capsys):
    import onnxruntime

    out = tmp_path / "model.onnx"
    assert main(["export-model", str(model), "--out", str(out), "--images", str(photos)]) == 0
    said = re.fullmatch(
        rf"{out}: onnx; on 16 images logits differ from torch's by (\S+) at most \(the largest is \S+\), and 16 get "
        "the same class\n",
        capsys.readouterr().out,
    )
    assert float(said[1]) < 1e-4
    session = onnxruntime.InferenceSession(out, providers=["CPUExecutionProvider"])
    seen = as_seen(model, photos).numpy()
    told = unpack(comparison["mine"].record["predictions"])
    for count in (1, 3, 16):
        (logits,) = session.run(None, {"images": seen[:count]})
        assert logits.argmax(1).tolist() == told[:count].tolist()
    config = session.get_modelmeta().custom_metadata_map["config.json"]
    assert json.loads(config)["label_names"] == list(comparison["mine"].task.classes)


@only_vit
def test_torch_alone_loads_what_torch_export_wrote(comparison, model, photos, tmp_path, capsys):
    out, one = tmp_path / "model.pt2", str(photos / "00.png")
    assert main(["export-model", str(model), "--format", "torch-export", "--out", str(out), "--images", one]) == 0
    assert f"{out}: torch-export; on 1 images" in capsys.readouterr().out
    texts = {"config.json": ""}
    program = torch.export.load(out, extra_files=texts).module()
    found = program(as_seen(model, photos)).argmax(1)
    assert found.tolist() == unpack(comparison["mine"].record["predictions"]).tolist()
    assert json.loads(texts["config.json"])["label_names"] == list(comparison["mine"].task.classes)


@only_vit
def test_images_of_the_models_own_task_are_found(comparison, model, tmp_path, monkeypatch, capsys):
    words = ["export-model", str(model), "--format", "torch-export", "--out", str(tmp_path / "model.pt2")]
    results = tmp_path / "results"
    assert main([*words, "--results", str(results)]) == 2
    assert "has not the images that trained" in capsys.readouterr().err
    (results / "tasks").mkdir(parents=True)
    (results / "tasks" / "mine").symlink_to(comparison["mine"].task.path)
    monkeypatch.setattr(export, "CHECKED", 5)
    monkeypatch.setattr(export, "export_model", lambda model, seen, *_: export.Difference(len(seen), 1e-6, 2, 5))
    assert main([*words, "--results", str(results)]) == 0
    assert "on 5 images logits differ from torch's by 1.0e-06 at most (the largest is 2)" in capsys.readouterr().out


@only_vit
def test_a_file_that_gives_something_else_is_not_written(model, photos, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(export, "_loaded", lambda content, form: lambda images: torch.zeros(len(images), 4))
    out = tmp_path / "model.pt2"
    out.write_bytes(b"an older one")
    words = ["--format", "torch-export", "--out", str(out), "--images", str(photos)]
    assert main(["export-model", str(model), *words]) == 2
    assert "does not give what it gives in torch (logits differ by up to" in capsys.readouterr().err
    assert out.read_bytes() == b"an older one"
    assert {*tmp_path.iterdir()} == {out, photos}


@only_vit
def test_what_cannot_be_exported_is_one_sentence(model, tmp_path):
    class Branches(torch.nn.Module):
        def forward(self, images):
            return images.mean((2, 3)) if images.sum() > 0 else images.amax((2, 3))

    found = Model(model)
    found.network = Branches()
    with pytest.raises(export.UserError, match=r"cannot be exported as torch-export \(.+\); try another --format"):
        export.export_model(found, [torch.ones(3, SIZE, SIZE)], "torch-export", tmp_path / "model.pt2")


@only_vit
def test_without_the_packages_onnx_is_one_sentence(model, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(export, "find_spec", lambda name: None if name == "onnxscript" else object())
    assert main(["export-model", str(model), "--out", str(tmp_path / "model.onnx")]) == 2
    said = capsys.readouterr().err
    assert said == (
        "error: ONNX takes packages that are not installed; get them with `pip install onnx onnxruntime onnxscript`, "
        "or use --format torch-export\n"
    )


@only_vit
def test_a_broken_image_is_named(model, photos, tmp_path, capsys):
    (photos / "00.png").write_text("hello")
    words = ["--format", "torch-export", "--out", str(tmp_path / "model.pt2"), "--images", str(photos)]
    assert main(["export-model", str(model), *words]) == 2
    assert f"{photos / '00.png'} (not an image)" in capsys.readouterr().err
