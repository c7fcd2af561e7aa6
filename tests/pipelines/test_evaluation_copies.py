"""Which evaluated images are copies of training images, and what they are worth."""

from pathlib import Path

import numpy as np
import pytest
from said import predictions_from

from pipelines.errors import UserError
from pipelines.evaluation.copies import find_copies, judge_copies
from pipelines.run import Run


def test_what_is_known_of_a_training_is_what_its_run_recorded(tmp_path: Path) -> None:
    run = Run(tmp_path)
    assert find_copies(["a", "b"], run) is None, "a run of an earlier version"
    assert find_copies(["a", "b"], None) is None
    run.record_contents({"train": [("one", "a"), ("two", "a")], "validation": [("three", "c")]}, False)
    for part, expected in (("train", [True, False, False]), ("validation", [False, False, True])):
        found = find_copies(["a", "b", "c"], run, part)
        assert found is not None
        assert found.tolist() == expected
    for text, message in (("part,name\ntrain,one\n", "must have the columns part, name, sha256"), ('"', "is damaged")):
        run.contents_path.write_text(text)
        with pytest.raises(UserError, match=message):
            find_copies(["a"], run)


def test_the_accuracy_is_told_with_and_without_copies() -> None:
    said = predictions_from([(0, [0.9, 0.1]), (0, [0.9, 0.1]), (1, [0.9, 0.1]), (1, [0.1, 0.9]), (1, [0.9, 0.1])])
    copies = judge_copies(said, np.array([True, False, False, True, False]))
    assert copies.to_json() == {
        "images": 2, "of": 5, "accuracy": 0.6, "accuracy_without_copies": pytest.approx(1 / 3),
        "accuracy_of_copies": 1.0,
    }  # fmt: skip
    assert str(copies) == (
        "2 of 5 images are, pixel by pixel, copies of training images; "
        "accuracy 0.6000 with them, 0.3333 without them, 1.0000 on them alone"
    )


def test_without_copies_or_with_nothing_else_no_accuracy_is_made_up() -> None:
    said = predictions_from([(0, [0.9, 0.1]), (0, [0.1, 0.9])])
    none = judge_copies(said, np.array([False, False]))
    assert (none.accuracy_without_copies, none.accuracy_of_copies) == (0.5, None)
    assert str(none) == "0 of 2 images are, pixel by pixel, copies of training images"
    every = judge_copies(said, np.array([True, True]))
    assert (every.accuracy_without_copies, every.accuracy_of_copies) == (None, 0.5)
    assert str(every).endswith("; accuracy 0.5000 with them, 0.5000 on them alone")
