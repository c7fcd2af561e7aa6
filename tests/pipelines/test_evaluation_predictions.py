"""predictions_<part>.csv gives back what the model said, to the last bit."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from said import predictions_from, random_predictions

from pipelines.errors import UserError
from pipelines.evaluation import Predictions, evaluate_probabilities, load_predictions, save_predictions
from pipelines.run import Run

# file names hold anything but NUL, bytes that are not UTF-8 among them
NAMES = st.text(
    st.one_of(
        st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"),
        st.sampled_from("\udc80\udcff,\"'\r\n"),
    ),
    min_size=1,
)


@given(data=st.data())
def test_predictions_come_back_bit_for_bit(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    classes = data.draw(st.lists(NAMES, min_size=2, max_size=4, unique=True))
    names = data.draw(st.lists(NAMES, min_size=1, max_size=5))
    number = st.floats(allow_nan=False, allow_infinity=False)
    rows = data.draw(
        st.lists(
            st.lists(number, min_size=len(classes), max_size=len(classes)), min_size=len(names), max_size=len(names)
        )
    )
    labels = data.draw(st.lists(st.integers(0, len(classes) - 1), min_size=len(names), max_size=len(names)))
    numbers = st.lists(st.integers(0, 9), min_size=len(names), max_size=len(names))
    groups = data.draw(st.none() | numbers.map(lambda found: np.array(found, np.int64)))
    said = Predictions(tuple(names), np.array(labels, np.int64), np.array(rows, np.float64), tuple(classes), groups)
    run = Run(tmp_path_factory.mktemp("run"))
    save_predictions(run, "test", said)
    back = load_predictions(run, "test")
    assert (back.names, back.class_names) == (said.names, said.class_names)
    np.testing.assert_array_equal(back.labels, said.labels)
    assert (back.groups is None) == (groups is None)
    if groups is not None:
        np.testing.assert_array_equal(back.groups, groups)
    np.testing.assert_array_equal(back.probabilities.view(np.uint64), said.probabilities.view(np.uint64))


@pytest.mark.parametrize("groups", [None, np.arange(60) // 4])
def test_every_figure_can_be_made_again_from_the_file(groups: np.ndarray | None, tmp_path: Path) -> None:
    said = replace(random_predictions(8), groups=groups)
    assert evaluate_probabilities(said).groups == (None if groups is None else 15)
    save_predictions(Run(tmp_path), "test", said)
    again = evaluate_probabilities(load_predictions(Run(tmp_path), "test"))
    assert again.to_json() == evaluate_probabilities(said).to_json()


def test_the_columns_are_name_class_and_a_probability_per_class(tmp_path: Path) -> None:
    save_predictions(Run(tmp_path), "test", predictions_from([(1, [0.25, 0.75])], ("happy", "sad")))
    assert (
        tmp_path / "predictions_test.csv"
    ).read_text() == '"name","class","happy","sad"\n"sad/0.png","sad",0.25,0.75\n'


def test_missing_predictions_are_asked_for_by_name(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"has no predictions of its test images.*evaluate {re.escape(str(tmp_path))}"):
        load_predictions(Run(tmp_path), "test")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must begin with the columns"),
        ("name,class,a\n", "must begin with the columns"),
        ("file,class,a,b\n", "must begin with the columns"),
        ("name,class,a,b\n", "no predictions to evaluate"),
        ("name,class,a,b\nx,a,0.5\n", "row 2 has 3 cells where 4 are needed"),
        ("name,class,a,b\nx,c,0.5,0.5\n", "row 2 has the class 'c', which has no column"),
        ("name,class,a,b\nx,a,half,0.5\n", "could not convert string to float: 'half'"),
        ("name,class,a,b\nx,a,nan,0.5\n", "says \\[nan, 0.5\\] of x"),
        ('name,class,a,b\n"x,a,0.5,0.5\n', "unexpected end of data"),
        (f"name,group,class,a,b\nx,{10**30},a,0.5,0.5\n", "too large"),
    ],
)
def test_a_damaged_file_is_named_with_its_fault(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "predictions_test.csv").write_text(text)
    with pytest.raises(UserError, match=f"predictions_test.csv is damaged: .*{message}.*scratchnet evaluate"):
        load_predictions(Run(tmp_path), "test")
