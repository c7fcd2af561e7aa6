"""Image files of every common kind become uint8 grey or RGB pixels."""

import io
import struct
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

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


@given(st.integers(4096, 65535))  # below, they are taken for twelve bits
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


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


RAMP = np.stack([np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1)), np.full((48, 64), 90, np.uint8),
                 np.tile(255 - np.arange(64, dtype=np.uint8) * 4, (48, 1))], axis=2)  # fmt: skip
IMAGE = Image.fromarray(RAMP)


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm", ".jp2"])
def test_twelve_bits_in_sixteen_do_not_come_out_black(suffix: str) -> None:
    twelve = np.tile(np.arange(64, dtype=np.uint16) * 65, (48, 1))
    assert twelve.max() == 4095
    expected = np.rint(twelve * (255 / 4095))
    np.testing.assert_allclose(decode_image(encode(twelve, suffix), "deep"), expected, atol=1)
    if suffix == ".png":
        opaque = np.dstack([twelve, twelve, twelve, np.full_like(twelve, 4095)])
        np.testing.assert_allclose(decode_image(encode(opaque), "deep")[:, :, 0], expected, atol=1)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [("1", "PNG"), ("1", "TIFF"), ("P", "PNG"), ("P", "GIF"), ("P", "BMP"), ("P", "TIFF"), ("CMYK", "TIFF"),
     ("L", "TIFF"), ("RGB", "TIFF"), ("RGB", "WEBP")],
)  # fmt: skip
def test_colours_of_every_kind_are_those_that_pillow_reads(mode: str, kind: str) -> None:
    data = saved(IMAGE.convert(mode), kind, **({"lossless": True} if kind == "WEBP" else {}))
    found = decode_image(data, "x")
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("L" if found.ndim == 2 else "RGB"))
    np.testing.assert_array_equal(found, expected)


def test_a_cmyk_jpeg_has_its_colours() -> None:
    data = saved(IMAGE.convert("CMYK"), "JPEG", quality=95)
    np.testing.assert_allclose(decode_image(data, "x"), np.asarray(Image.open(io.BytesIO(data)).convert("RGB")), atol=1)


def test_grey_with_transparency_is_laid_on_white() -> None:
    half = Image.merge("LA", (Image.new("L", (4, 4), 0), Image.new("L", (4, 4), 128)))
    np.testing.assert_allclose(decode_image(saved(half, "PNG"), "x"), 127, atol=1)


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
def test_of_a_moving_image_the_first_frame_is_read(kind: str) -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ((250, 0, 0), (0, 250, 0))]
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:])
    np.testing.assert_allclose(decode_image(data, "x")[10, 10], (250, 0, 0), atol=6)


def test_values_that_do_not_say_what_is_white_are_named() -> None:
    for image, said in (
        (encode(np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8), ".tif"), "float32 numbers"),
        (saved(IMAGE, "TIFF").replace(
            struct.pack("<HHI", 262, 3, 1) + struct.pack("<I", 2), struct.pack("<HHI", 262, 3, 1) + struct.pack("<I", 8)
        ), "Lab values"),
    ):  # fmt: skip
        with pytest.raises(DataError, match=rf"^x: its .*{said}, which are not read; convert it to"):
            decode_image(image, "x")
