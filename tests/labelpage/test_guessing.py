"""A model's guesses are those that predict gives, under the dataset's names of the classes."""

import re
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from face_sets import make_dataset, make_model

from pipelines.curation.emotions import FIVE
from pipelines.curation.labelling import Labelling
from pipelines.curation.manifest import SPLITS
from pipelines.errors import UserError
from pipelines.labelpage.guessing import Guesser, model_name
from pipelines.predicting.stream import predict_images


def test_every_readable_face_is_guessed_and_the_least_certain_comes_first(tmp_path: Path) -> None:
    make_dataset(tmp_path, ["unlabelled"] * 20)
    (tmp_path / "unlabelled/unlabelled_ana_00004.png").unlink()
    (tmp_path / "unlabelled/unlabelled_ana_00005.png").write_bytes(b"no image")
    labelling = Labelling(tmp_path, FIVE)
    model = make_model("sad", "surprise", "happy")
    guesser = Guesser(model, labelling, "tiny")
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
        Guesser(make_model("cat", "dog"), Labelling(tmp_path, FIVE), "pets")


def test_stopping_ends_it_between_two_batches(tmp_path: Path) -> None:
    make_dataset(tmp_path, ["unlabelled"] * 3)
    labelling = Labelling(tmp_path, FIVE)
    guesser = Guesser(make_model("sad", "happy"), labelling, "tiny")
    guesser._stopping.set()
    guesser.start()
    guesser.stop()
    assert labelling.guessed == 0
    assert cv2.imread(str(tmp_path / "unlabelled/unlabelled_ana_00001.png")) is not None


def test_under_blind_the_guesses_of_test_images_are_left_aside(tmp_path: Path) -> None:
    manifest = make_dataset(tmp_path, ["Happy"] * 3)
    manifest.rows = [replace(row, split=split) for row, split in zip(manifest.rows, SPLITS, strict=True)]
    manifest.write()
    shown = []
    for blind in (False, True):
        labelling = Labelling(tmp_path, FIVE, {"Happy"}, blind=blind)
        guesser = Guesser(make_model("sad", "happy"), labelling, "tiny")
        guesser.run()
        shown.append([labelling.guess(row.key) is not None for row in manifest.rows])
    assert shown == [[True, True, True], [True, True, False]]


def test_a_models_name_tells_its_content(tmp_path: Path) -> None:
    names = []
    for seed in (1, 1, 2):
        path = tmp_path / "fer.safetensors"
        path.write_bytes(bytes([seed]))
        names.append(model_name(path))
    assert names[0] == names[1] != names[2]
    assert re.fullmatch(r"fer\.safetensors@[0-9a-f]{12}", names[0])


def test_a_model_that_says_nan_suggests_nothing(tmp_path: Path) -> None:
    make_dataset(tmp_path, ["unlabelled"] * 3)
    labelling, model = Labelling(tmp_path, FIVE), make_model("sad", "happy")
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel, np.full_like(bias, np.nan)])
    guesser = Guesser(model, labelling, "tiny")
    guesser.start()
    guesser.join()
    assert labelling.guessed == 0
    assert all(labelling.guess(key) is None for key in labelling.keys())  # noqa: SIM118  # a method of ours
