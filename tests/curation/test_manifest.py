"""The table keeps every value, names every mistake by its line and column, and is written whole."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.curation.manifest import COLUMNS, Manifest, Row
from pipelines.curation.naming import ImageName
from pipelines.curation.table import format_table, parse_table
from pipelines.errors import UserError

FULL = Row(
    "Happy/Happy_ana_00002.png", "Happy", "ana", 2, 'a "film", cut.mp4', "00:01:02.040", 1551, 3, -4, 10, 120, 118,
    0.875, 41.5, 103.25, "0f" * 32, "00ff00ff00ff00ff", "ana", "2025-01-31T09:30:00Z", "train",
    "Sad", "fer@0123456789ab",
)  # fmt: skip
BARE = Row("unlabelled/unlabelled_ana_00001.png", "unlabelled", "ana", 1)


def written(folder: Path, *changes: tuple[str, str]) -> Path:
    text = format_table([BARE, FULL])
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "manifest.csv").write_text(text)
    return folder


def test_what_is_written_is_read(tmp_path: Path) -> None:
    Manifest(tmp_path, [BARE, FULL]).write()
    assert Manifest.read(tmp_path).rows == [BARE, FULL]
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.csv"]


def test_the_columns_stand_in_the_documented_order() -> None:
    assert ",".join(COLUMNS) == (
        "file,class,contributor,number,film,time_code,frame,scene,face_x,face_y,face_width,face_height,score,sharpness,"
        "light,sha256,phash,labeller,labelled_at,split,suggested,suggested_by"
    )


def test_a_table_from_before_models_were_recorded_is_read_and_written_anew(tmp_path: Path) -> None:
    written(tmp_path, (",suggested,suggested_by\n", "\n"), (",Sad,fer@0123456789ab\n", "\n"), (",,\n", "\n"))
    assert "suggested" not in (tmp_path / "manifest.csv").read_text()
    manifest = Manifest.read(tmp_path)
    assert manifest.rows == [BARE, replace(FULL, suggested=None, suggested_by=None)]
    manifest.write()
    assert Manifest.read(tmp_path).rows == manifest.rows


texts = st.none() | st.text(st.characters(exclude_categories=("C", "Z"), codec="utf-8"), min_size=1, max_size=9)
floats = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.tuples(texts, texts, floats, st.none() | st.integers(0, 10**12)), max_size=5))
def test_every_value_survives(values: list[tuple[str | None, str | None, float | None, int | None]]) -> None:
    rows = [
        Row(ImageName("a", "b", n).file, "a", "b", n, film=film, labeller=who, score=score, frame=frame)
        for n, (film, who, score, frame) in enumerate(values, 1)
    ]
    lines, problems = parse_table(format_table(rows), "t")
    assert [row for _, row in lines] == rows
    assert not problems


def test_a_films_name_may_hold_anything_that_a_file_system_allows(tmp_path: Path) -> None:
    rows = [
        Row(ImageName("a", "b", n).file, "a", "b", n, film=film)
        for n, film in enumerate(["a\nb.mp4", "\udcff.mp4", ' ",;\t'], 1)
    ]
    Manifest(tmp_path, rows).write()
    assert Manifest.read(tmp_path).rows == rows
    Manifest(tmp_path, [replace(rows[0], film="a\rb")]).write()
    assert Manifest.read(tmp_path).rows[0].film == "a\nb"


def test_a_table_that_went_through_a_spreadsheet_is_read(tmp_path: Path) -> None:
    text = format_table([BARE, FULL]).replace("\n", "\r\n")
    (tmp_path / "manifest.csv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert Manifest.read(tmp_path).rows == [BARE, FULL]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("Happy,ana,2,", "Happy,ana,two,", "line 3: column 'number': must be a whole number from 1 on, got 'two'"),
        ("Happy,ana,2,", "Happy,ana,0,", "column 'number': must be a whole number from 1 on, got '0'"),
        ("Happy,ana,2,", "Happy,,2,", "line 3: column 'contributor' is empty"),
        ("Happy,ana,2,", "Happy!,ana,2,", "column 'class': a class name must consist of letters"),
        ("Happy,ana,2,", "Happy,ana,1,", "line 3: column 'number': line 2 has 1 of 'ana' already"),
        ("00:01:02.040", "1:02", "column 'time_code': must be HH:MM:SS.mmm, got '1:02'"),
        ("0.875", "nan", "column 'score': must be a finite number, got 'nan'"),
        ("0f" * 32, "0F" * 32, "column 'sha256': must be 64 hexadecimal digits"),
        ("09:30:00Z", "09:30", "column 'labelled_at': must be a time such as"),
        (",train", ",training", "column 'split': must be one of train, validation, test, got 'training'"),
        (",train", "", "line 3: has 21 cells where 22 are needed"),
        ("Happy/Happy_ana_00002.png", "/etc/passwd", "column 'file': must be a plain path within the dataset"),
        ("Happy/Happy_ana_00002.png", "../a.png", "column 'file': must be a plain path within the dataset"),
        ("Happy/Happy_ana_00002.png", "unlabelled/unlabelled_ana_00001.png", "line 3: column 'file': line 2 has the"),
        (",labeller,", ",by,", "line 1: the column 'labeller' is missing; the columns are file,class"),
        (",labeller,labelled_at", ",labelled_at,labeller", "the columns are in another order"),
        ('"a ""film"", cut.mp4"', '"a "film"', "line 3: not readable as csv"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_by_line_and_column(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        Manifest.read(written(tmp_path, (old, new)))
    assert message in str(caught.value)
    assert "manifest.csv" in str(caught.value)


def test_a_folder_without_a_table_and_a_binary_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"is not a dataset: it has no manifest\.csv"):
        Manifest.read(tmp_path)
    (tmp_path / "manifest.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UserError, match=r"manifest\.csv, line 1: the column 'file' is missing"):
        Manifest.read(tmp_path)


def test_rows_that_share_a_name_are_never_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="line 3: column 'file': line 2 has the same"):
        Manifest(tmp_path, [BARE, BARE])


def test_numbers_are_given_once_per_contributor_whatever_the_class(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path, [BARE, FULL, Row("rejected/rejected_bo_00007.png", "rejected", "bo", 7)])
    assert [manifest.next_number(name) for name in ("ana", "bo", "cy")] == [3, 8, 1]
    assert manifest.class_names() == ("Happy",)
    assert manifest.labelled() == [FULL]
