"""Batches, resizing, normalisation and augmentation."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from subtuning.training import augment
from subtuning.training.augment import Boxes, crop_and_resize, flip, random_boxes, random_resized_crop
from subtuning.training.data import Images, batches, epoch_order
from tests.tiny import CPU, backbone, images, pictures


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 500), st.integers(2, 70))
def test_batches_are_even_and_drop_nothing(count, size):
    parts = batches(count, size)
    sizes = [len(part) for part in parts]
    assert np.concatenate(parts).tolist() == list(range(count))
    assert max(sizes) <= size
    assert max(sizes) - min(sizes) <= 1
    assert len(parts) == -(-count // size)


def test_batches_follow_the_order():
    assert np.concatenate(batches(5, 2, np.array([3, 1, 4, 0, 2]))).tolist() == [3, 1, 4, 0, 2]


def test_an_epoch_order_is_a_permutation_of_seed_and_epoch():
    orders = [epoch_order(50, seed, epoch).tolist() for seed, epoch in [(0, 0), (0, 1), (1, 0), (1, 1)]]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len(set(map(tuple, orders))) == 4
    assert orders[1] == epoch_order(50, 0, 1).tolist()


class Draws:
    """Stands in for a generator: `random()` gives these numbers."""

    def __init__(self, *numbers):
        self.numbers = np.array(numbers)

    def random(self, count):
        assert count == len(self.numbers)
        return self.numbers


def test_flip_mirrors_exactly_the_chosen_images_left_to_right():
    batch = torch.rand(3, 2, 4, 5, dtype=torch.float64)
    flipped = flip(batch, Draws(0.4, 0.6, 0.1))
    mirrored = torch.from_numpy(batch.numpy()[:, :, :, ::-1].copy())
    assert torch.equal(flipped, torch.stack([mirrored[0], batch[1], mirrored[2]]))


def test_flip_takes_about_half_and_is_seeded():
    ramp = torch.arange(2.0).expand(2000, 1, 1, 2)
    chosen = flip(ramp, np.random.default_rng(0))[:, 0, 0, 0]
    assert 900 < chosen.sum() < 1100
    assert torch.equal(chosen, flip(ramp, np.random.default_rng(0))[:, 0, 0, 0])


def test_a_crop_of_the_whole_image_is_the_identity(monkeypatch):
    monkeypatch.setattr(augment, "SCALE", (1.0, 1.0))
    monkeypatch.setattr(augment, "RATIO", (1.0, 1.0))
    batch = torch.rand(3, 3, 16, 16, dtype=torch.float64)
    assert (random_resized_crop(batch, 16, np.random.default_rng(0)) - batch).abs().max() < 1e-12


def test_a_crop_is_cut_out_of_its_own_image():
    batch = (torch.arange(400, dtype=torch.float64) / 400)[:, None, None, None].expand(400, 1, 24, 32)
    crops = random_resized_crop(batch, 8, np.random.default_rng(0))
    assert crops.shape == (400, 1, 8, 8)
    assert (crops - batch[:, :, :8, :8]).abs().max() < 1e-9


@pytest.mark.parametrize(("height", "width"), [(64, 64), (48, 96)])
def test_boxes_lie_inside_the_image_with_the_wanted_area_and_ratio(height, width):
    top, left, tall, wide = random_boxes(400, height, width, np.random.default_rng(0))
    assert min(top.min(), left.min()) == 0
    assert (top + tall).max() == height
    assert (left + wide).max() == width
    cut = (tall == height) | (wide == width)
    area, ratio = (tall * wide / (height * width))[~cut], (wide / tall)[~cut]
    pixel = 1.07  # edges are rounded to whole pixels, of some 16
    assert 0.08 / pixel <= area.min() < 0.15
    assert 0.6 < area.max() <= 1 + 1e-9
    assert 3 / 4 / pixel <= ratio.min() < 0.8
    assert 1.25 < ratio.max() <= 4 / 3 * pixel
    assert min(tall.min(), wide.min()) > 0
    for begin, length, whole in [(top, tall, height), (left, wide, width)]:
        free = length < whole - 1
        place = begin[free] / (whole - length[free])
        assert place.min() < 0.05
        assert place.max() > 0.95
        assert abs(place.mean() - 0.5) < 0.05


def boxes_of(*rows):
    return Boxes(*np.array(rows).T)


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_crops_are_those_of_torchvision(interpolation, dtype):
    """Boxes smaller and larger than the result, of one pixel, at the border, flat, tall, and the whole image."""
    from torchvision.transforms.v2 import InterpolationMode
    from torchvision.transforms.v2.functional import resized_crop

    boxes = boxes_of((3, 5, 40, 31), (0, 0, 48, 64), (10, 60, 7, 4), (47, 0, 1, 1), (5, 2, 6, 60), (1, 30, 47, 9))
    batch = torch.rand(len(boxes.top), 3, 48, 64, dtype=dtype, generator=torch.Generator().manual_seed(0))
    batch = 0.25 + batch / 2  # no overshoot out of the range, which torchvision leaves in numbers that are not bytes
    crops = crop_and_resize(batch, boxes, 20, interpolation)
    assert crops.dtype == dtype
    for image, crop, *box in zip(batch, crops, *boxes, strict=True):
        expected = resized_crop(image, *map(int, box), [20, 20], InterpolationMode(interpolation), antialias=True)
        assert (crop - expected).abs().max() < (1e-12 if dtype == torch.float64 else 1e-5), box


@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "bicubic"])
def test_trained_images_are_as_smooth_as_scored_ones(interpolation, monkeypatch):
    """The kind of fault: what is trained on and what is scored go through different filters."""
    monkeypatch.setattr(augment, "SCALE", (1.0, 1.0))
    monkeypatch.setattr(augment, "RATIO", (1.0, 1.0))
    source, rows = images(16, input_size=12, interpolation=interpolation), np.arange(16)
    monkeypatch.setattr("subtuning.training.data.flip", lambda images, rng: images)
    trained, _ = source.batch(rows, "crop", np.random.default_rng(0))
    assert (trained - source.batch(rows)[0]).abs().max() < 1e-12


def test_a_batch_holds_the_asked_rows_normalised():
    source = images(16)
    batch, labels = source.batch(np.array([5, 0, 11]))
    expected = (source.pixels[[5, 0, 11]] / 255 - np.array([0.5, 0.4, 0.3])) / np.array([0.5, 0.6, 0.7])
    assert np.abs(batch.numpy() - expected.transpose(0, 3, 1, 2)).max() < 1e-12
    assert labels.tolist() == source.labels[[5, 0, 11]].tolist()


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [20, 48])
def test_resizing_is_that_of_pillow(interpolation, size):
    pixels = pictures(4)[0]
    spec = backbone(input_size=size, interpolation=interpolation, mean=(0, 0, 0), std=(1, 1, 1))
    batch, _ = Images(pixels, np.zeros(4, np.int64), spec, CPU, torch.float64).batch(np.arange(4))
    how = getattr(Image.Resampling, interpolation.upper())
    expected = np.stack([np.asarray(Image.fromarray(image).resize((size, size), how)) for image in pixels])
    assert np.abs(batch.numpy() * 255 - expected.transpose(0, 3, 1, 2)).max() < 1.2  # Pillow rounds after each axis


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
def test_resizing_is_that_of_torchvision(interpolation):
    from torchvision.transforms.v2 import InterpolationMode
    from torchvision.transforms.v2.functional import normalize, resize

    spec = backbone(input_size=20, interpolation=interpolation)
    pixels, labels = pictures(4)
    pixels = 64 + pixels // 4  # no overshoot out of the range, which torchvision leaves in numbers that are not bytes
    batch, _ = Images(pixels, labels, spec, CPU, torch.float64).batch(np.arange(4))
    reference = torch.from_numpy(pixels).permute(0, 3, 1, 2).double() / 255
    reference = resize(reference, [20, 20], InterpolationMode(interpolation), antialias=True)
    assert (batch - normalize(reference, list(spec.mean), list(spec.std))).abs().max() < 1e-12


@pytest.mark.parametrize("augmentation", ["none", "flip", "crop"])
def test_gray_becomes_three_channels(augmentation):
    pixels, labels = pictures(6, channels=1)
    gray = Images(pixels, labels, backbone(), CPU, torch.float64)
    colour = Images(pixels.repeat(3, axis=3), labels, backbone(), CPU, torch.float64)
    rows = np.arange(6)
    batch = gray.batch(rows, augmentation, np.random.default_rng(1))[0]
    assert batch.shape == (6, 3, 32, 32)
    other = colour.batch(rows, augmentation, np.random.default_rng(1))[0]
    assert (batch - other).abs().max() < 1e-12  # sums of another matrix product may be rounded in another order


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("augmentation", ["none", "flip", "crop"])
def test_images_on_the_device_give_the_same_batches_as_a_memory_map(tmp_path, augmentation):
    pixels, labels = pictures(10)
    np.save(tmp_path / "images.npy", pixels)
    mapped = Images(np.load(tmp_path / "images.npy", mmap_mode="r"), labels, backbone(), CPU, torch.float64)
    rows = np.array([7, 2, 2])
    first, second = (i.batch(rows, augmentation, np.random.default_rng(0))[0] for i in (mapped, mapped.on_device()))
    assert torch.equal(first, second)
    assert isinstance(mapped.on_device().pixels, torch.Tensor)
    assert len(mapped) == len(mapped.on_device()) == 10


def test_a_batch_is_flipped_by_its_own_generator():
    rows = np.arange(3)
    plain = images(16).batch(rows)[0]
    flipped = images(16).batch(rows, "flip", Draws(0.4, 0.6, 0.1))[0]
    assert torch.equal(flipped, torch.stack([plain[0].flip(2), plain[1], plain[2].flip(2)]))


def test_augmentation_moves_pixels_but_not_labels():
    source, rows = images(16), np.arange(16)
    plain, labels = source.batch(rows)
    for augmentation in ("flip", "crop"):
        changed, same = source.batch(rows, augmentation, np.random.default_rng(0))
        assert not torch.equal(changed, plain)
        assert torch.equal(same, labels)
