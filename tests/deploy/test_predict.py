"""What `subtuning predict` says of files, folders and patterns, and of those that are no images."""

import csv
import io

import numpy as np
import pytest
from PIL import Image

from subtuning.cli import main
from subtuning.deploy.folder import Model
from subtuning.deploy.predict import find_images, predict
from subtuning.errors import UserError
from subtuning.runs.predictions import unpack


@pytest.fixture
def files(comparison, tmp_path):
    """The test images as PNG files, half of them a folder lower."""
    (tmp_path / "photos" / "more").mkdir(parents=True)
    images, _ = comparison["mine"].task.part("test")
    found = [tmp_path / "photos" / ("more/" * (row > 7)) / f"{row:02d}.png" for row in range(len(images))]
    for file, pixels in zip(found, images, strict=True):
        Image.fromarray(np.array(pixels)).save(file)
    (tmp_path / "photos" / "notes.txt").write_text("no image")
    return found


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_every_image_of_a_folder_gets_the_recorded_class(comparison, model, files, tmp_path):
    assert main(["predict", str(model), str(tmp_path / "photos"), "--out", str(tmp_path / "found.csv")]) == 0
    found = rows((tmp_path / "found.csv").read_text())
    chosen = comparison["mine"]
    assert [row["image"] for row in found] == [str(file) for file in files]
    told = [chosen.task.classes[i] for i in unpack(chosen.record["predictions"])]
    assert [row["class"] for row in found] == told


@pytest.mark.parametrize("top", [1, 3, 99])
def test_the_most_probable_classes_come_first(top, model, files):
    found = rows(predict(Model(model), files, top, workers=2)[0])
    shown = min(top, 4)
    for row in found:
        values = [float(row[name]) for name in row if name.startswith("probability")]
        assert len(values) == shown
        assert values == sorted(values, reverse=True)
        assert len({row[name] for name in row if name.startswith("class")}) == shown
        assert top < 99 or sum(values) == pytest.approx(1, abs=1e-4)


def test_what_cannot_be_read_is_listed_at_the_end(model, files, capsys, tmp_path):
    files[3].write_bytes(files[3].read_bytes()[:60])
    files[9].write_text("hello")
    assert main(["predict", str(model), str(tmp_path / "photos")]) == 2
    printed = capsys.readouterr()
    assert [row["image"] for row in rows(printed.out)] == [str(f) for i, f in enumerate(files) if i not in (3, 9)]
    assert "2 images cannot be used; replace or remove: " in printed.err
    assert f"{files[9]} (not an image)" in printed.err


def test_images_are_decoded_as_at_a_conversion(model, files, tmp_path):
    """Transparent pixels are white, gray is repeated, and a photo stands upright."""
    picture = Image.open(files[0])
    flat = Image.new("RGB", picture.size, "white")
    clear = picture.convert("RGBA")
    clear.putalpha(0)
    clear.save(tmp_path / "clear.png")
    flat.save(tmp_path / "white.png")
    flat.convert("L").save(tmp_path / "gray.png")
    turned = Image.Exif()
    turned[0x0112] = 3
    picture.rotate(180).save(tmp_path / "turned.png", exif=turned)
    names = ["clear.png", "white.png", "gray.png", "turned.png"]
    one_by_one = 1  # since kernels round otherwise in larger batches
    found = rows(predict(Model(model), [*(tmp_path / name for name in names), files[0]], one_by_one)[0])
    answers = [{k: v for k, v in row.items() if k != "image"} for row in found]
    assert answers[0] == answers[1] == answers[2]
    assert answers[3] == answers[4]


def test_files_folders_and_patterns(files, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    everything = [file.relative_to(tmp_path) for file in files]
    assert find_images(["photos"]) == everything
    assert find_images(["photos/*.png"]) == everything[:8]
    assert sorted(find_images(["photos/**/*.png", "photos/00.png"])) == everything, "each once"
    assert find_images([str(tmp_path / "photos" / "0[01].png")]) == files[:2]
    assert find_images(["photos/notes.txt"])[0].name == "notes.txt", "a file that is named is tried"
    for word in ("photos/*.jpg", "nowhere", "photos/*.txt"):
        with pytest.raises(UserError, match="is no image, and no folder or pattern of images"):
            find_images([word])


def test_a_folder_that_is_no_model_is_one_sentence(files, tmp_path, capsys):
    assert main(["predict", str(tmp_path / "photos"), str(files[0])]) == 2
    assert "is no model: it has no config.json" in capsys.readouterr().err
