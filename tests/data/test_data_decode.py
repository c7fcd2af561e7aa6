"""Image files of every common kind become uint8 grey or RGB pixels."""

import struct

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.data.decode import decode_image
from pipelines.data.errors import DataError

RED_BGR = (0, 0, 255)


def encode(image: np.ndarray, suffix: str = ".png") -> bytes:
    return cv2.imencode(suffix, image)[1].tobytes()


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    # an EXIF segment with one entry, the orientation
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 1) + entry + struct.pack("<I", 0)
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".webp", ".tif", ".ppm", ".jpg"])
def test_colours_come_out_in_rgb_order(suffix: str) -> None:
    image = decode_image(encode(np.full((8, 9, 3), RED_BGR, np.uint8), suffix), "red")
    assert image.shape == (8, 9, 3)
    assert image.dtype == np.uint8
    np.testing.assert_allclose(image[4, 4], (255, 0, 0), atol=8)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm", ".jpg"])
def test_grey_files_stay_grey(suffix: str) -> None:
    image = decode_image(encode(np.full((8, 9), 77, np.uint8), suffix), "grey")
    assert image.shape == (8, 9)
    np.testing.assert_allclose(image, 77, atol=2)


@pytest.mark.parametrize(("dtype", "full"), [(np.uint8, 255), (np.uint16, 65535)])
def test_transparency_becomes_white(dtype: type, full: int) -> None:
    image = np.zeros((2, 2, 4), dtype)
    image[0, 0] = (0, 0, full, full)  # opaque red
    image[0, 1] = (0, 0, full, full // 2)
    np.testing.assert_allclose(
        decode_image(encode(image), "a").reshape(4, 3),
        [(255, 0, 0), (255, 128, 128), (255, 255, 255), (255, 255, 255)],
        atol=1,
    )


@given(st.integers(0, 65535))
def test_sixteen_bits_keep_their_brightness(value: int) -> None:
    image = decode_image(encode(np.full((3, 3), value, np.uint16)), "deep")
    assert image.dtype == np.uint8
    np.testing.assert_allclose(image, value / 257, atol=1)


def test_the_orientation_of_a_camera_is_respected() -> None:
    image = np.zeros((16, 32), np.uint8)
    image[:, :16] = 255  # bright on the left
    turned = decode_image(with_orientation(encode(image, ".jpg"), 6), "camera")
    assert turned.shape == (32, 16)
    assert turned[:12].mean() > 240  # a quarter turn clockwise brings the left side up
    assert turned[-12:].mean() < 15


@pytest.mark.parametrize("data", [b"", b"hello", encode(picture := np.zeros((40, 40), np.uint8))[:50]])
def test_what_is_no_image_is_refused_by_name(data: bytes) -> None:
    assert picture.size
    with pytest.raises(DataError, match=r"^train/x\.png: "):
        decode_image(data, "train/x.png")
