"""Rows of a csv in the form of fer2013.csv become the images they spell."""

import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.data.dataset import Dataset
from pipelines.data.errors import DataError
from pipelines.data.preprocessing import Preprocessing
from pipelines.data.source import open_source

HEADER = "emotion,pixels,Usage"
EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


def row(emotion: object, pixels: np.ndarray, usage: str = "Training") -> str:
    return f"{emotion},{' '.join(map(str, pixels.ravel()))},{usage}"


def pixels(seed: int, side: int = 48) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (side, side), dtype=np.uint8)


def write(path: Path, *rows: str, header: str = HEADER, end: str = "\n") -> Path:
    path.write_bytes((end.join([header, *rows]) + end).encode())
    return path


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_rows_give_back_the_pixels_label_and_split_they_were_written_with(tmp_path: Path, end: str) -> None:
    usages = {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
    rows = [row(i % 7, pixels(i), list(usages)[i % 3]) for i in range(9)]
    source = open_source(write(tmp_path / "fer2013.csv", *rows, end=end))
    assert source.class_names == EMOTIONS
    assert len(source.samples) == len(rows)
    for sample in source.samples:
        index = int(sample.name.removeprefix("fer2013.csv:")) - 2
        assert (sample.label, sample.split) == (index % 7, list(usages.values())[index % 3])
        np.testing.assert_array_equal(source.read(sample), pixels(index))


@given(
    side=st.integers(2, 6), values=st.lists(st.integers(0, 255), min_size=36, max_size=36), emotion=st.integers(0, 6)
)
def test_any_square_image_survives_the_way_through_text(
    tmp_path_factory: pytest.TempPathFactory, side: int, values: list[int], emotion: int
) -> None:
    image = np.array(values[: side * side], np.uint8).reshape(side, side)
    source = open_source(write(tmp_path_factory.mktemp("csv") / "a.csv", row(emotion, image)))
    np.testing.assert_array_equal(source.read(source.samples[0]), image)
    assert source.samples[0].label == emotion


def test_column_order_quotes_blank_lines_byte_order_mark_and_a_missing_last_newline_do_not_matter(
    tmp_path: Path,
) -> None:
    path = tmp_path / "a.csv"
    text = f'\ufeffUsage,emotion,pixels\nTraining,3,"{row(0, pixels(1)).split(",")[1]}"\n\nPublicTest,4,'
    path.write_text(text + row(0, pixels(2)).split(",")[1], encoding="utf-8")
    source = open_source(path)
    assert [(s.name, s.label, s.split) for s in source.samples] == [
        ("a.csv:2", 3, "train"),
        ("a.csv:4", 4, "validation"),
    ]
    np.testing.assert_array_equal(source.read(source.samples[0]), pixels(1))
    np.testing.assert_array_equal(source.read(source.samples[1]), pixels(2))


def test_labels_follow_the_class_names_given(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", row(3, pixels(0)), row(4, pixels(1)))
    source = open_source(path, ("Sad", "Happy"))
    assert [sample.label for sample in source.samples] == [1, 0]
    with pytest.raises(DataError, match="'sad', which is not among"):
        open_source(path, ("happy", "fear"))
    assert open_source(path, ("happy", "sad", "fear")).class_names == ("happy", "sad", "fear"), "a model may know more"


def test_bad_rows_are_reported_by_line_and_the_good_ones_kept(tmp_path: Path) -> None:
    good = pixels(0)
    bad = good.astype(int)
    bad[3, 4] = 256
    path = write(
        tmp_path / "fer2013.csv",
        row(3, good),  # 2
        row(7, good),  # 3
        row("x", good),  # 4
        row(3, good, "Holiday"),  # 5
        "3,1 2 3",  # 6
        row(3, good[:47]),  # 7
        row(3, bad),  # 8
        row(3, good).replace(" ", " x", 1),  # 9
        row(4, good),  # 10
    )
    source = open_source(path)
    assert [(name, reason.split(",")[0]) for name, reason in source.skipped] == [
        ("fer2013.csv:3", "emotion must be a number in 0..6"),
        ("fer2013.csv:4", "emotion must be a number in 0..6"),
        ("fer2013.csv:5", "Usage must be Training"),
        ("fer2013.csv:6", "a row must have 3 fields"),
    ]
    dataset = Dataset(source, source.samples, Preprocessing(48, 48, 1))
    assert [sample.name for sample in dataset.samples] == ["fer2013.csv:2", "fer2013.csv:10"]
    assert [name for name, _ in dataset.skipped] == ["fer2013.csv:7", "fer2013.csv:8", "fer2013.csv:9"]
    assert "48x48 = 2304 numbers, got 2256" in dataset.skipped[0][1]
    assert "whole numbers in 0..255" in dataset.skipped[1][1]
    assert "whole numbers in 0..255" in dataset.skipped[2][1]


@pytest.mark.parametrize("header", ["label,pixels,Usage", "emotion,pixels", "", "\x00\x01"])
def test_a_wrong_header_is_refused(tmp_path: Path, header: str) -> None:
    path = write(tmp_path / "a.csv", row(3, pixels(0)), header=header)
    with pytest.raises(DataError, match=r"a\.csv must begin with the columns emotion,pixels,Usage"):
        open_source(path)


def test_a_csv_without_a_usable_row_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.csv has no usable row"):
        open_source(write(tmp_path / "a.csv"))
    with pytest.raises(DataError, match=r"first problem is a\.csv:2: emotion must be"):
        open_source(write(tmp_path / "a.csv", row(8, pixels(0))))


def test_the_text_is_never_in_memory_as_a_whole(tmp_path: Path) -> None:
    line = row(3, pixels(0))
    path = write(tmp_path / "a.csv", *[line] * 2000)
    tracemalloc.start()
    try:
        source = open_source(path)
        source.read(source.samples[-1])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > 10 * 2**20
    assert peak < 2 * 2**20
