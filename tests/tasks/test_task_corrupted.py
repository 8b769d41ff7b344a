"""`source: corrupted`: another task's images, corrupted once and alike, with its labels, names and parts."""

import json
import sys
import types
from typing import get_args

import numpy as np
import pytest

from subtuning.config import parse_config
from subtuning.config.tasks import ArraysTask, CorruptedTask
from subtuning.errors import UserError
from subtuning.tasks import check_content, convert_task
from subtuning.tasks.sources.corrupted import check_library
from subtuning.tasks.task import read_facts
from subtuning.workspace.paths import Results
from subtuning.workspace.prepared import prepare_task, prepared_task

KINDS = get_args(CorruptedTask.model_fields["kind"].annotation)


def spec(**more):
    return CorruptedTask(**{"source": "corrupted", "of": "clean", "kind": "gaussian_noise"} | more)


def pictures(count, size, seed=0, channels=3):
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, channels)).astype(np.uint8)


def clean_file(folder, size=32, seed=0, channels=3):
    """A file of 18 images, of which the first two and the first of the test part are the same."""
    images = pictures(18, size, seed, channels)
    images[1] = images[12] = images[0]
    labels = np.arange(18) % 3
    labels[1] = labels[12] = labels[0]
    np.savez(
        folder / "clean.npz",
        x_train=images[:8],
        y_train=labels[:8],
        x_val=images[8:12],
        y_val=labels[8:12],
        x_test=images[12:],
        y_test=labels[12:],
    )
    return folder / "clean.npz"


@pytest.fixture
def clean(tmp_path):
    entry = ArraysTask(source="arrays", path=str(clean_file(tmp_path)))
    convert_task("clean", entry, tmp_path / "clean", progress=False)
    return check_content(tmp_path / "clean")


@pytest.fixture
def library(monkeypatch):
    """A stand-in for imagecorruptions that adds noise of NumPy's global generator, or of a seed, as some of its do."""

    def gaussian_noise(image, severity=1):
        return np.asarray(image) ^ np.random.randint(0, 1 << severity, image.shape, dtype=np.uint8)

    def impulse_noise(image, severity=1, seed=None):
        return np.asarray(image) ^ np.random.default_rng(seed).integers(0, 1 << severity, image.shape, dtype=np.uint8)

    def fog(image, severity=1):
        return np.asarray(image) // (severity + 1)

    functions = {one.__name__: one for one in (gaussian_noise, impulse_noise, fog)}
    module = types.ModuleType("imagecorruptions")
    module.__spec__ = types.SimpleNamespace(name="imagecorruptions")
    module.corruption_dict = functions
    module.corrupt = lambda image, severity, corruption_name, **more: functions[corruption_name](
        image, severity, **more
    )
    monkeypatch.setitem(sys.modules, "imagecorruptions", module)


def converted(clean, entry, name="noisy"):
    convert_task(name, entry, clean.path.parent / name, progress=False, base=clean.path)
    return check_content(clean.path.parent / name)


def images_of(task):
    return {part: np.array(task.part(part)[0]) for part in task.counts}


@pytest.mark.parametrize("kind", ["gaussian_noise", "impulse_noise", "fog"])
def test_parts_labels_and_names_are_the_other_tasks_and_the_images_are_not(kind, clean, library):
    noisy = converted(clean, spec(kind=kind))
    assert (noisy.counts, noisy.classes, noisy.image_size) == (clean.counts, clean.classes, clean.image_size)
    for part, before in images_of(clean).items():
        images, labels = noisy.part(part)
        assert images.shape == before.shape
        assert all((one != other).any() for one, other in zip(images, before, strict=True))
        assert np.array_equal(labels, clean.part(part)[1])
        assert noisy.names(part) == clean.names(part)


@pytest.mark.parametrize("kind", ["gaussian_noise", "impulse_noise"])
def test_an_image_is_corrupted_alike_whenever_and_wherever_and_another_is_not(kind, clean, library):
    np.random.seed(7)
    before = np.random.get_state()[1].copy()
    noisy = converted(clean, spec(kind=kind))
    assert np.array_equal(np.random.get_state()[1], before)
    np.random.seed(8)
    assert converted(clean, spec(kind=kind), "again").sha256 == noisy.sha256
    assert converted(clean, spec(kind=kind, seed=1), "other").sha256 != noisy.sha256
    assert converted(clean, spec(kind=kind, severity=5), "harder").sha256 != noisy.sha256
    images, plain = images_of(noisy), images_of(clean)
    assert np.array_equal(images["train"][0], images["train"][1])
    assert np.array_equal(images["train"][0], images["test"][0])
    noise = images["train"] ^ plain["train"]
    assert (noise[0] != noise[2]).any()
    copies = {key: read_facts(task.path)["copies"][key] for task in (noisy,) for key in ("test", "repeated")}
    assert copies == {key: read_facts(clean.path)["copies"][key] for key in copies} == {"test": 1, "repeated": 1}


@pytest.mark.parametrize(("parts", "changed"), [("train", {"train", "val"}), ("test", {"test"})])
def test_only_some_parts_may_be_corrupted(parts, changed, clean, library):
    noisy = images_of(converted(clean, spec(parts=parts)))
    assert {part for part, images in images_of(clean).items() if (noisy[part] != images).any()} == changed


def test_gray_images_become_rgb(tmp_path, library):
    entry = ArraysTask(source="arrays", path=str(clean_file(tmp_path, channels=1)))
    convert_task("clean", entry, tmp_path / "clean", progress=False)
    gray = check_content(tmp_path / "clean")
    assert gray.image_size == (32, 32, 1)
    task = converted(gray, spec(parts="test"))
    assert task.image_size == (32, 32, 3)
    assert np.array_equal(task.part("train")[0], np.repeat(gray.part("train")[0], 3, axis=3))


def test_small_images_are_refused_in_a_sentence(tmp_path, library):
    entry = ArraysTask(source="arrays", path=str(clean_file(tmp_path, size=28)))
    convert_task("clean", entry, tmp_path / "clean", progress=False)
    with pytest.raises(
        UserError, match="of: clean has images of 28 x 28 pixels, but corruptions need 32 a side; choose"
    ):
        converted(check_content(tmp_path / "clean"), spec())


def test_without_the_library_the_sentence_says_what_to_install(clean, monkeypatch):
    monkeypatch.setitem(sys.modules, "imagecorruptions", None)
    with pytest.raises(UserError, match="run: pip install imagecorruptions-imaug"):
        check_library()
    with pytest.raises(UserError, match="run: pip install imagecorruptions-imaug"):
        converted(clean, spec())


def test_a_library_that_cannot_be_imported(clean, tmp_path, monkeypatch):
    """The first package of this name asks NumPy for what NumPy 2 no longer has."""
    monkeypatch.delitem(sys.modules, "imagecorruptions", raising=False)
    (tmp_path / "packages/imagecorruptions").mkdir(parents=True)
    (tmp_path / "packages/imagecorruptions/__init__.py").write_text("import pkg_resources_of_old\n")
    monkeypatch.syspath_prepend(tmp_path / "packages")
    with pytest.raises(
        UserError, match=r"cannot import imagecorruptions .*; run: pip uninstall imagecorruptions, then:"
    ):
        converted(clean, spec())


def config_of(folder, **more):
    backbones = {"tiny": {"model": "test_resnet", "weights": "random"}}
    noisy = {"source": "corrupted", "of": "clean", "kind": "gaussian_noise"} | more
    tasks = {"noisy": noisy, "clean": {"source": "arrays", "path": str(folder / "clean.npz")}}
    return parse_config({"tasks": tasks, "backbones": backbones})


def test_preparing_converts_the_other_task_first_and_again_when_it_changed(tmp_path, library):
    clean_file(tmp_path)
    config, results = config_of(tmp_path), tmp_path / "results"
    prepare_task(config, "noisy", results)
    first = prepared_task(config, "noisy", results)
    assert first["corrupted"]["of"] == prepared_task(config, "clean", results)["sha256"]
    assert prepared_task(config_of(tmp_path, severity=4), "noisy", results) is None
    clean_file(tmp_path, seed=1)
    assert prepared_task(config, "noisy", results) is None
    prepare_task(config, "clean", results)
    assert prepared_task(config, "noisy", results) is None
    prepare_task(config, "noisy", results)
    assert prepared_task(config, "noisy", results)["sha256"] != first["sha256"]
    assert json.loads((Results(results).task("noisy") / "task.json").read_text())["source"]["of"] == "clean"


@pytest.mark.extra("imagecorruptions")
@pytest.mark.parametrize("kind", KINDS)
def test_every_corruption_of_the_library_works_on_32_pixels_and_gives_the_same_twice(kind, clean):
    for severity in (1, 5):
        entry = spec(kind=kind, severity=severity)
        assert converted(clean, entry).sha256 == converted(clean, entry, "again").sha256 != clean.sha256
