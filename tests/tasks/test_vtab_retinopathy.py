"""The retinopathy preparation against numbers that OpenCV 5.0.0 gave for the same input."""

import io

import numpy as np
import pytest
from PIL import Image

from subtuning.tasks.images import ImageError
from subtuning.tasks.vtab import fixed_point, retinopathy
from tests.tasks.synthetic import picture


def ramp(height: int, width: int) -> np.ndarray:
    """The picture that OpenCV was given."""
    return (np.arange(height * width * 3) * 37 % 251).astype(np.uint8).reshape(height, width, 3)


LARGER = [
    [0, 42, 108, 173, 201, 119, 118, 183, 123, 53],
    [63, 68, 77, 140, 182, 156, 149, 158, 137, 115],
    [159, 108, 30, 88, 153, 214, 198, 120, 160, 212],
    [115, 115, 115, 99, 103, 168, 152, 70, 113, 168],
    [101, 129, 173, 117, 83, 127, 113, 52, 80, 117],
    [197, 169, 126, 149, 158, 114, 109, 136, 103, 66],
    [213, 159, 77, 135, 175, 140, 134, 152, 125, 96],
    [162, 108, 26, 84, 146, 198, 183, 114, 148, 192],
]
SMALLER = [[[74, 111, 148], [180, 73, 110], [153, 37, 74]], [[154, 109, 121], [103, 140, 142], [57, 94, 131]]]
HALVED = [[[89, 126, 101], [123, 97, 134]], [[162, 136, 110], [133, 107, 144]], [[108, 145, 120], [142, 116, 91]]]
LINE = "1 0 1 0 1 1 1 1 2 2 2 3 4 3 5 5 5 7 6 8 8 8 9 10 10 10 10"
"""A white column, blurred, from the left end of the blur to beside its middle."""


def test_resize_is_opencvs():
    assert fixed_point.resize(ramp(5, 6), 1.7)[..., 0].tolist() == LARGER
    assert fixed_point.resize(ramp(5, 6), 0.45).tolist() == SMALLER
    assert fixed_point.resize(ramp(6, 4), 0.5).tolist() == HALVED


def test_blur_is_opencvs():
    column = np.zeros((70, 90, 1), np.uint8)
    column[:, 40] = 255
    blurred = fixed_point.gaussian_blur(column, 10.0)[35, :, 0]
    half = [int(word) for word in LINE.split()]
    assert blurred[13:40].tolist() == half
    assert blurred[41:68].tolist() == half[::-1]
    assert blurred[40] == 10
    assert not blurred[:13].any()
    edges = fixed_point.gaussian_blur(ramp(40, 33), 10.0)[::13, ::16]
    assert edges[0].tolist() == [[124, 125, 126], [125, 125, 125], [126, 124, 125]]
    assert edges[3].tolist() == [[125, 125, 126], [125, 125, 125], [125, 124, 124]]


def eye(radius: int, height: int, width: int) -> bytes:
    down, across = np.mgrid[:height, :width]
    inside = (down - height / 2) ** 2 + (across - width / 2) ** 2 < radius**2
    buffer = io.BytesIO()
    image = np.where(inside[..., None], picture(f"eye {radius}", height, width) // 2 + 90, 0).astype(np.uint8)
    Image.fromarray(image).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(("radius", "height", "width"), [(150, 330, 420), (150, 240, 420), (400, 830, 820)])
def test_working_on_the_kept_window_changes_no_pixel(radius, height, width, monkeypatch):
    data = eye(radius, height, width)
    monkeypatch.setattr(retinopathy, "through_jpeg", lambda image, quality: image)
    found = retinopathy.decode_btgraham(data)
    whole = retinopathy._scaled(np.asarray(Image.open(io.BytesIO(data))))
    middle = whole.shape[0] // 2, whole.shape[1] // 2
    expected = retinopathy._masked(retinopathy._local_contrast(whole), middle)
    top, left = max(middle[0] - 270, 0), max(middle[1] - 270, 0)
    assert np.array_equal(found, expected[top : middle[0] + 270, left : middle[1] + 270])
    assert found.shape[1] == 540
    assert found.shape[0] == min(540, whole.shape[0] // 2 * 2)


def test_a_black_picture_is_scaled_by_its_height():
    buffer = io.BytesIO()
    Image.new("RGB", (80, 60)).save(buffer, "PNG")
    assert retinopathy.decode_btgraham(buffer.getvalue()).shape == (540, 540, 3)


def test_a_broken_picture_gives_a_reason():
    with pytest.raises(ImageError, match="not an image"):
        retinopathy.decode_btgraham(b"x")
