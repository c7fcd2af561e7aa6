"""csv and JSON say everything that is known, and appear whole or not at all."""

import csv
import json
from pathlib import Path

import pytest

from pipelines.movies.detectors import Face
from pipelines.predicting.prediction import FacePrediction, Prediction
from pipelines.predicting.telling import as_table, csv_file, json_file

FACE = Face(1, 2, 30, 40, 55.25, 1.0)
WHOLE = Prediction("a.png", {"x": 0.25, "happy": 0.75})
TWO = FacePrediction(FACE, {"x": 0.9, "happy": 0.1}), FacePrediction(FACE, {"x": 0.5, "happy": 0.5})
SEEN = Prediction("b,[red].png", faces=TWO)
EMPTY = Prediction("c.png", faces=())
BROKEN = Prediction("d\udcff.png", error="not a readable image")


def test_csv_has_a_row_for_each_image_or_face(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "out.csv"
    with csv_file(path, ("x", "happy")) as tell:
        for prediction in (WHOLE, SEEN, EMPTY, BROKEN):
            tell(prediction)
        assert not path.exists()
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == ["a.png", "b,[red].png", "b,[red].png", "c.png", r"d\udcff.png"], (
        "UTF-8 throughout"
    )
    assert [row["face"] for row in rows] == ["", "1", "2", "0", ""]
    assert [row["class"] for row in rows] == ["happy", "x", "x", "", ""]
    assert [row["x (class)"] for row in rows] == ["0.25", "0.9", "0.5", "", ""], "a class may be called like a column"
    assert [row["happy"] for row in rows] == ["0.75", "0.1", "0.5", "", ""]
    assert [row["error"] for row in rows] == ["", "", "", "", "not a readable image"]
    assert [rows[1][name] for name in ("x", "y", "width", "height", "score")] == ["1", "2", "30", "40", "55.25"]


@pytest.mark.parametrize("predictions", [(), (WHOLE,), (WHOLE, SEEN, EMPTY, BROKEN)])
def test_the_json_file_is_the_list_that_is_printed(tmp_path: Path, predictions: tuple[Prediction, ...]) -> None:
    path = tmp_path / "out.json"
    with json_file(path) as tell:
        for prediction in predictions:
            tell(prediction)
    assert json.loads(path.read_text(encoding="utf-8")) == [prediction.to_json() for prediction in predictions]


@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_what_was_there_stays_if_the_work_is_broken_off(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"out.{suffix}"
    path.write_text("old")
    writer = json_file(path) if suffix == "json" else csv_file(path, ("x", "happy"))
    with pytest.raises(KeyboardInterrupt), writer as tell:  # noqa: PT012  # tell() alone raises nothing
        tell(WHOLE)
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]


def test_the_table_has_a_row_for_each_image_or_face() -> None:
    whole, faces = as_table([WHOLE, BROKEN], ("x", "happy")), as_table([SEEN, EMPTY], ("x", "happy"))
    assert whole is not None
    assert faces is not None
    assert [column.header for column in whole.columns] == ["image", "class", "x", "happy"]
    assert whole.row_count == 1
    assert list(faces.columns[1].cells) == ["30x40 at 1,2", "30x40 at 1,2", "no face found"]
    assert list(faces.columns[2].cells) == ["x", "x", ""]
    assert as_table([BROKEN], ("x", "happy")) is None
