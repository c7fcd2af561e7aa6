"""Damaged image files are named, in one sentence and without a note of any library; sound ones stay as they are."""

import io
import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipelines.data.decode import decode_image
from pipelines.data.errors import DataError
from pipelines.data.jpeg import sound_jpeg

# a scene with slopes and grain, so that no block is empty
ROWS, COLUMNS = np.indices((96, 120))
SCENE = np.clip(
    np.stack([ROWS * 2, COLUMNS * 2, 255 - ROWS - COLUMNS], axis=2)
    + np.random.default_rng(0).normal(0, 12, (96, 120, 3)),
    0,
    255,
).astype(np.uint8)


def save(kind: str, size: tuple[int, int] = (120, 96), mode: str = "RGB", **options: Any) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(SCENE).crop((0, 0, *size)).convert(mode).save(stream, kind, **options)
    return stream.getvalue()


def scan_of(jpeg: bytes) -> tuple[int, int]:
    """Where the first scan's compressed data begin, and where they end."""
    start = jpeg.index(b"\xff\xda")
    start += 2 + struct.unpack_from(">H", jpeg, start + 2)[0]
    return start, jpeg.rindex(b"\xff\xd9")


def garble(data: bytes, at: int, by: bytes) -> bytes:
    return data[:at] + by + data[at + len(by) :]


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("options", [{}, {"restart_marker_blocks": 1}, {"restart_marker_rows": 1}, {"optimize": True}])
def test_sound_jpegs_of_all_kinds_stay_as_they_are(mode: str, progressive: bool, options: dict[str, Any]) -> None:
    for size in ((120, 96), (50, 37), (9, 1)):
        for quality, subsampling in ((1, 2), (75, 1), (75, 2), (100, 0)):
            jpeg = save(
                "JPEG", size, mode, quality=quality, subsampling=subsampling, progressive=progressive, **options
            )
            assert sound_jpeg(jpeg, "x") == jpeg


@pytest.mark.parametrize("progressive", [False, True])
def test_most_garbled_jpegs_are_named(progressive: bool) -> None:
    rng, named = np.random.default_rng(1), 0
    for _ in range(60):
        jpeg = save("JPEG", quality=int(rng.integers(50, 96)), progressive=progressive)
        start, end = scan_of(jpeg)
        bad = garble(jpeg, int(rng.integers(start, end - 60)), rng.integers(0, 256, 60, np.uint8).tobytes())
        try:
            sound_jpeg(bad, "x")
        except DataError:
            named += 1
    assert named >= 51  # not each: nearly any bits are an image


def test_brightness_beyond_white_is_damage_even_where_the_blocks_come_out_even() -> None:
    # 8x8 blocks of white; a first difference of the DC made larger by a bit shifts all of them
    white = io.BytesIO()
    Image.new("L", (64, 64), 255).save(white, "JPEG", quality=95)
    jpeg = white.getvalue()
    assert sound_jpeg(jpeg, "x") == jpeg
    step = jpeg.index(b"\xff\xdb") + 5
    with pytest.raises(DataError, match=r"^x: the image is damaged$"):
        sound_jpeg(garble(jpeg, step, bytes([jpeg[step] + 1])), "x")


@pytest.mark.parametrize("progressive", [False, True])
def test_a_jpeg_that_ends_early_is_called_cut_short(progressive: bool) -> None:
    jpeg = save("JPEG", progressive=progressive)
    start, end = scan_of(jpeg)
    for stop in (start - 20, start + 1, (start + end) // 2, end - 40):
        with pytest.raises(DataError, match=r"^x: the image is cut short$"):
            decode_image(jpeg[:stop], "x")


def test_a_jpeg_that_lacks_its_end_alone_is_read() -> None:
    jpeg = save("JPEG")
    np.testing.assert_array_equal(decode_image(jpeg[:-2], "x"), decode_image(jpeg, "x"))


def test_padding_behind_the_last_block_is_passed_over_in_silence(capfd: pytest.CaptureFixture[str]) -> None:
    jpeg = save("JPEG")
    padded = jpeg[:-2] + b"\x00\xff\x00\x07" + jpeg[-2:]
    np.testing.assert_array_equal(decode_image(padded, "x"), decode_image(jpeg, "x"))
    assert capfd.readouterr().err == ""
    with pytest.raises(DataError, match="the image is damaged"):
        decode_image(jpeg[:-2] + bytes(range(40)) + jpeg[-2:], "x")


def test_a_wrong_word_about_coefficients_is_passed_over_in_silence(capfd: pytest.CaptureFixture[str]) -> None:
    jpeg = save("JPEG")
    start, _ = scan_of(jpeg)
    np.testing.assert_array_equal(decode_image(garble(jpeg, start - 3, bytes(3)), "x"), decode_image(jpeg, "x"))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("quality", [1, 10, 20])
def test_black_and_white_of_coarse_progressive_jpegs_are_no_damage(quality: int) -> None:
    # the first of the scans that tell their brightness rounds it away from what 8 bits can hold
    for shade in (0, 255):
        plain = io.BytesIO()
        Image.new("RGB", (40, 40), (shade, shade, shade)).save(plain, "JPEG", quality=quality, progressive=True)
        assert sound_jpeg(plain.getvalue(), "x") == plain.getvalue()


def test_a_missing_restart_is_damage() -> None:
    jpeg = save("JPEG", restart_marker_blocks=4)
    at = jpeg.index(b"\xff\xd3")
    with pytest.raises(DataError, match="the image is damaged"):
        decode_image(jpeg[:at] + jpeg[at + 2 :], "x")


def test_crafted_headers_of_a_jpeg_do_no_harm() -> None:
    rng = np.random.default_rng(2)
    for progressive in (False, True):
        jpeg = save("JPEG", (40, 40), progressive=progressive)
        start, _ = scan_of(jpeg)
        for _ in range(300):
            bad = garble(jpeg, int(rng.integers(2, start)), bytes([rng.integers(0, 256)]))
            try:
                pixels = decode_image(bad, "x")
            except DataError as error:
                assert str(error).startswith("x: ")  # noqa: PT017  # most changes are told, some change nothing
            else:
                assert pixels.dtype == np.uint8


KINDS = [
    ("JPEG", {}), ("PNG", {}), ("GIF", {}), ("BMP", {}), ("PPM", {}), ("JPEG2000", {}), ("AVIF", {}), ("TIFF", {}),
    ("TIFF", {"compression": "tiff_lzw"}), ("WEBP", {}), ("WEBP", {"lossless": True}),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_half_a_file_is_named_in_one_sentence_and_no_library_says_more(
    kind: str, options: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    whole = save(kind, **options)
    assert decode_image(whole, "x").shape == (96, 120, 3)
    with pytest.raises(DataError, match=r"^x: (not a readable image|the image is cut short)"):
        decode_image(whole[: len(whole) // 2], "x")
    assert capfd.readouterr() == ("", "")


def test_a_png_with_a_wrong_checksum_is_named(capfd: pytest.CaptureFixture[str]) -> None:
    png = save("PNG")
    with pytest.raises(DataError, match=r"^x: the image is damaged, a checksum in it does not fit$"):
        decode_image(garble(png, len(png) // 2, b"abcd"), "x")
    with pytest.raises(DataError, match=r"^x: the image is cut short$"):
        decode_image(png[:-12], "x")
    assert capfd.readouterr() == ("", "")


def test_a_png_of_no_chunks_but_its_end_is_no_image() -> None:
    with pytest.raises(DataError, match=r"^x: not a readable image"):
        decode_image(save("PNG")[:8] + save("PNG")[-12:], "x")


def test_a_sound_png_with_a_strange_profile_is_read_in_silence(capfd: pytest.CaptureFixture[str]) -> None:
    np.testing.assert_array_equal(decode_image(save("PNG", icc_profile=b"no profile"), "x"), SCENE)
    assert capfd.readouterr() == ("", "")
