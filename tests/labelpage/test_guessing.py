"""A model's guesses are those that predict gives, under the dataset's names of the classes."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from face_sets import make_dataset

import scratchnet as sn
from pipelines.curation.emotions import FIVE
from pipelines.curation.labelling import Labelling
from pipelines.errors import UserError
from pipelines.labelpage.guessing import Guesser
from pipelines.predicting.stream import predict_images
from scratchnet import layers


def make_model(*class_names: str) -> sn.Model:
    sn.set_random_seed(1)
    model = sn.Sequential([layers.Input((8, 8, 3)), layers.Flatten(), layers.Dense(len(class_names), "softmax")])
    model.class_names = class_names
    model.preprocessing = {"height": 8, "width": 8, "channels": 3}
    return model


def test_every_readable_face_is_guessed_and_the_least_certain_comes_first(tmp_path: Path) -> None:
    make_dataset(tmp_path, ["unlabelled"] * 20)
    (tmp_path / "unlabelled/unlabelled_ana_00004.png").unlink()
    (tmp_path / "unlabelled/unlabelled_ana_00005.png").write_bytes(b"no image")
    labelling = Labelling(tmp_path, FIVE)
    model = make_model("sad", "surprise", "happy")
    guesser = Guesser(model, labelling)
    guesser.start()
    guesser.join()
    assert labelling.guessed == 18
    assert not labelling.guessing
    certainty = {}
    for key in labelling.keys():  # noqa: SIM118  # a method of ours
        row, guess = labelling.row(key), labelling.guess(key)
        assert row is not None
        prediction = predict_images(model, [tmp_path / row.file])[0].probabilities
        if prediction is None:
            assert guess is None
            continue
        assert guess is not None
        expected = {"Sad": prediction["sad"], "Surprised": prediction["surprise"], "Happy": prediction["happy"]}
        np.testing.assert_allclose([guess[name] for name in expected], list(expected.values()), rtol=1e-5)
        first, second, _ = sorted(expected.values(), reverse=True)
        certainty[key] = first - second
    order = [key for key in labelling.keys() if key in certainty]  # noqa: SIM118
    np.testing.assert_allclose([certainty[key] for key in order], sorted(certainty.values()), atol=1e-6)
    assert labelling.keys()[-2:] == [("ana", 4), ("ana", 5)]


def test_a_model_of_other_things_is_refused(tmp_path: Path) -> None:
    make_dataset(tmp_path, ["unlabelled"])
    with pytest.raises(
        UserError, match="the model knows cat, dog, none of which is a class of the dataset: Happy, Sad"
    ):
        Guesser(make_model("cat", "dog"), Labelling(tmp_path, FIVE))


def test_stopping_ends_it_between_two_batches(tmp_path: Path) -> None:
    make_dataset(tmp_path, ["unlabelled"] * 3)
    labelling = Labelling(tmp_path, FIVE)
    guesser = Guesser(make_model("sad", "happy"), labelling)
    guesser._stopping.set()
    guesser.start()
    guesser.stop()
    assert labelling.guessed == 0
    assert cv2.imread(str(tmp_path / "unlabelled/unlabelled_ana_00001.png")) is not None
