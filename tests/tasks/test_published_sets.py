"""`subtuning download`: what torchvision reads becomes one file that `source: arrays` reads back, pixel by pixel."""

import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torchvision.datasets

from subtuning.cli import main
from subtuning.config.tasks import ArraysTask
from subtuning.tasks import check_content, convert_task
from subtuning.tasks.published import SETS, write_list

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def fashion(tmp_path):
    """The files of Fashion-MNIST, made up: 40 training and 20 test images."""
    folder, rng, made = tmp_path / "published/FashionMNIST/raw", np.random.default_rng(1), {}
    folder.mkdir(parents=True)
    for part, begin, count in (("train", "train", 40), ("test", "t10k", 20)):
        images, labels = rng.integers(0, 256, (count, 28, 28)).astype(np.uint8), np.arange(count, dtype=np.uint8) % 10
        (folder / f"{begin}-images-idx3-ubyte").write_bytes(struct.pack(">4i", 2051, count, 28, 28) + images.tobytes())
        (folder / f"{begin}-labels-idx1-ubyte").write_bytes(struct.pack(">2i", 2049, count) + labels.tobytes())
        made[part] = images, labels
    return tmp_path / "published", made


def test_a_published_set_is_read_back_pixel_by_pixel(fashion, tmp_path, capsys):
    folder, made = fashion
    assert main(["download", "fashion_mnist", str(tmp_path / "new/f.npz"), "--folder", str(folder)]) == 0
    assert "new/f.npz: 40 training and 20 test images; in the config:\ntasks:\n  fashion_mnist: {source: arrays," in (
        capsys.readouterr().out
    )
    entry = ArraysTask(source="arrays", path=str(tmp_path / "new/f.npz"), val=10)
    convert_task("fashion", entry, tmp_path / "task", progress=False)
    task = check_content(tmp_path / "task")
    assert (task.counts, task.image_size) == ({"train": 30, "val": 10, "test": 20}, (28, 28, 1))
    assert task.classes[:2] == ("T-shirt/top", "Trouser")
    images, labels = task.part("test")
    assert np.array_equal(images[..., 0], made["test"][0])
    assert np.array_equal(labels, made["test"][1])


def test_a_draw_of_it_is_stratified_and_the_same_twice(fashion, tmp_path):
    folder, _ = fashion
    words = ["--folder", str(folder), "--train", "20", "--test", "20"]
    for name in ("a.npz", "b.npz"):
        assert main(["download", "fashion_mnist", str(tmp_path / name), *words]) == 0
    one, other = (np.load(tmp_path / name) for name in ("a.npz", "b.npz"))
    assert np.bincount(one["y_train"]).tolist() == [2] * 10
    assert all(np.array_equal(one[key], other[key]) for key in one.files)
    assert len(one["x_test"]) == 20


def test_listed_images_are_had_again_in_their_order(fashion, tmp_path):
    """As by somebody who has the list only, so that results on these very images can be reproduced."""
    folder, made = fashion
    rows = {"train": [7, 3, 39, 0], "test": [19, 2]}
    mine = {f"{kind}_{part}": made[part][n][own] for part, own in rows.items() for n, kind in enumerate("xy")}
    np.savez(tmp_path / "mine.npz", **mine)
    write_list(tmp_path / "mine.npz", tmp_path / "list.txt")
    words = ["--folder", str(folder), "--images", str(tmp_path / "list.txt")]
    assert main(["download", "fashion_mnist", str(tmp_path / "again.npz"), *words]) == 0
    again = np.load(tmp_path / "again.npz")
    assert all(np.array_equal(again[key], mine[key]) for key in mine)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_the_lists_of_the_results_are_whole(name):
    lines = (ROOT / f"docs/results/{name}_images.txt").read_text().splitlines()
    parts = Counter(line.split()[0] for line in lines)
    assert parts == {"cifar10": {"train": 10_000, "test": 1_000}, "cifar100": {"train": 1_000, "test": 3_000}}[name]
    assert len({line.split()[1] for line in lines}) == len(lines)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "train 0123456789ab\ntest 0123456789ab\n",
            "list.txt: the train part of fashion_mnist has 1 of 1 listed images not; the first is 0123456789ab",
        ),
        ("", "list.txt names no image of the train part"),
        ("train 0123456789ab\n", "list.txt names no image of the test part"),
        ("tra", "list.txt: line 1 must be `train` or `test` and 12 digits of an image"),
        (None, "list.txt cannot be read as a list of images ([Errno 2] No such file or directory: 'list.txt')"),
    ],
)
def test_a_wrong_list_is_a_sentence(fashion, text, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    if text is not None:
        (tmp_path / "list.txt").write_text(text)
    words = ["download", "fashion_mnist", "a.npz", "--folder", str(fashion[0]), "--images", "list.txt"]
    assert main(words) == 2
    assert capsys.readouterr().err == f"error: {sentence}\n"
    assert not list(tmp_path.glob("*a.npz*"))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["fashion_mnist", "a.npz", "--train", "41"], "fashion_mnist has 40 images in its train part, not 41"),
        (
            ["fashion_mnist", "a.npz", "--test", "1", "--images", "list.txt"],
            "--images says which images are taken; leave out --train and --test",
        ),
        (["fashion_mnist", "a.csv"], "a.csv must be a file that ends with .npz"),
    ],
)
def test_what_cannot_be_given_is_a_sentence(fashion, words, sentence, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["download", *words, "--folder", str(fashion[0])]) == 2
    assert capsys.readouterr().err == f"error: {sentence}\n"
    assert not list(tmp_path.glob("*a.npz*"))


def test_without_network_one_sentence_says_what_to_do(tmp_path, monkeypatch, capsys):
    def no_network(*args, **words):
        raise OSError("Network is unreachable")

    monkeypatch.setattr(torchvision.datasets, "CIFAR10", no_network)
    assert main(["download", "cifar10", str(tmp_path / "c.npz"), "--folder", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: cifar10 could not be downloaded to {tmp_path} (OSError: Network is unreachable); ")
    assert not (tmp_path / "c.npz").exists()


def test_channels_stand_last_whatever_torchvision_has(tmp_path, monkeypatch):
    images = np.arange(4 * 3 * 5 * 6, dtype=np.uint8).reshape(4, 3, 5, 6)

    class Svhn:
        data, labels = images, np.array([0, 1, 0, 1])

        def __init__(self, folder, split, download):
            assert split in ("train", "test")

    monkeypatch.setattr(torchvision.datasets, "SVHN", Svhn)
    assert main(["download", "svhn", str(tmp_path / "s.npz"), "--folder", str(tmp_path)]) == 0
    assert np.array_equal(np.load(tmp_path / "s.npz")["x_train"], images.transpose(0, 2, 3, 1))


def test_every_set_is_one_of_torchvisions():
    assert all(hasattr(torchvision.datasets, kind) for kind, _ in SETS.values())
