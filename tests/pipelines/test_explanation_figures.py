"""The figures of filters, feature maps and explanations show what they are given, and cut nothing off."""

from typing import Any

import numpy as np
import pytest
from figures_checked import assert_nothing_is_cut_off, words_of
from matplotlib.figure import Figure
from matplotlib.image import AxesImage

import scratchnet as sn
from pipelines.architecture import by
from pipelines.data.preprocessing import Preprocessing
from pipelines.errors import UserError
from pipelines.explaining import SMOOTH, explanation_figure, feature_maps_figure, filters_figure
from pipelines.faces import Face
from pipelines.figures.explanations import COLOURS, Explained, draw_explanations
from pipelines.figures.filters import LayerMaps, draw_feature_maps, draw_filters
from scratchnet import explain, layers

RNG = np.random.default_rng(0)


def pictures(figure: Figure) -> list[np.ndarray]:
    """The arrays of all images in a figure, axes by axes."""
    return [
        np.asarray(image.get_array()) for axes in figure.axes for image in axes.images if isinstance(image, AxesImage)
    ]


def words(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in words_of(figure))


def face_model(units: int = 3, channels: int = 1, names: tuple[str, ...] = ("angry", "happy", "sad")) -> sn.Model:
    sn.set_random_seed(5)
    model = sn.Sequential(
        [
            layers.Input((16, 12, channels)), layers.Conv2D(4, 3, padding="same", activation="relu", name="first"),
            layers.MaxPooling2D(name="pool"), layers.Conv2D(6, 3, padding="same", name="second"),
            layers.BatchNormalization(name="norm"), layers.ReLU(name="last"), layers.Flatten(),
            layers.Dense(units, activation="softmax" if units > 1 else "sigmoid", name="classes"),
        ],
        name="small",
    )  # fmt: skip
    model.class_names = names
    model.preprocessing = Preprocessing(16, 12, channels).to_config()
    return model


def some_faces(count: int, channels: int = 1, label: int | None = 1) -> list[Face]:
    return [
        Face(f"faces/{number}.png", RNG.integers(0, 255, (16, 12, channels), np.uint8), label)
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("shape", "tiles", "said"),
    [
        ((3, 3, 1, 16), 16, f"16 filters {by((3, 3))} of conv, over one channel"),
        ((5, 7, 1, 3), 3, f"3 filters {by((5, 7))} of conv, over one channel"),
        ((3, 3, 3, 100), 64, "64 of 100 filters"),
        ((1, 1, 8, 40), 40, "mean over 8 channels"),
        ((2, 2, 3, 1), 1, "over 3 channels"),
    ],
)
def test_filters_are_tiles(shape: tuple[int, ...], tiles: int, said: str) -> None:
    kernel = RNG.standard_normal(shape).astype(np.float32)
    figure = draw_filters(kernel, "conv")
    drawn = pictures(figure)
    assert len(drawn) == tiles
    if shape[2] == 1:
        np.testing.assert_array_equal(drawn[1], kernel[:, :, 0, 1])
        limit = np.abs(kernel).max()
        assert all(image.get_clim() == (-limit, limit) for axes in figure.axes for image in axes.images)
    elif shape[2] == 3:
        np.testing.assert_allclose(drawn[0], 0.5 + kernel[..., 0] / (2 * np.abs(kernel[..., 0]).max()), rtol=1e-6)
    else:
        np.testing.assert_array_equal(drawn[2], kernel[..., 2].mean(axis=2))
    assert said in words(figure)
    assert_nothing_is_cut_off(figure)


def test_filters_of_nothing_but_zeros_are_drawn() -> None:
    for channels in (1, 3):
        assert_nothing_is_cut_off(draw_filters(np.zeros((3, 3, channels, 4), np.float32), "conv"))


def test_the_first_convolution_is_drawn_whatever_its_kind() -> None:
    def only(layer: layers.Layer) -> sn.Model:
        return sn.Sequential([layers.Input((8, 8, 3)), layers.ReLU(), layer, layers.Flatten(), layers.Dense(2)])

    figures = {
        kind: filters_figure(only(kind(*arguments)))
        for kind, arguments in (
            (layers.Conv2D, (5, 3)), (layers.SeparableConv2D, (5, 3)), (layers.DepthwiseConv2D, (3, 1, "valid", 2)),
        )
    }  # fmt: skip
    assert [len(pictures(figure)) for figure in figures.values() if figure is not None] == [5, 3, 6]
    assert filters_figure(sn.Sequential([layers.Input((4,)), layers.Dense(2)])) is None


def test_feature_maps_show_the_channels_that_vary_most() -> None:
    maps = np.zeros((4, 4, 12), np.float32)
    maps[0] = np.arange(12)  # the last channel varies most
    image = RNG.integers(0, 255, (16, 16, 3), np.uint8)
    figure = draw_feature_maps(image, [LayerMaps("conv", maps), LayerMaps("deep", maps[:2, :2, :3])], "title")
    drawn = pictures(figure)
    assert len(drawn) == 1 + 8 + 3
    np.testing.assert_array_equal(drawn[0], image)
    np.testing.assert_array_equal(drawn[1], maps[:, :, 11])
    np.testing.assert_array_equal(drawn[8], maps[:, :, 4])
    for said in ("title", f"conv\n{by((4, 4, 12))}", f"deep\n{by((2, 2, 3))}", f"image\n{by((16, 16, 3))}"):
        assert said in words(figure)
    assert_nothing_is_cut_off(figure)


def test_feature_maps_of_a_model_are_those_of_its_convolutions() -> None:
    model, face = face_model(), some_faces(1)[0]
    figure = feature_maps_figure(model, face)
    assert figure is not None
    assert "first" in words(figure)
    assert "last" in words(figure)
    assert "pool" not in words(figure)
    maps = explain.feature_maps(model, face.image[None] / np.float32(255), "first")[0]
    best = maps.std(axis=(0, 1)).argmax()
    np.testing.assert_allclose(pictures(figure)[1], maps[:, :, best], rtol=0, atol=1e-6)
    deep = sn.Sequential(
        [layers.Input((16, 12, 1)), *(layers.Conv2D(2, 1, name=f"conv{number}") for number in range(30))]
    )
    deep.preprocessing = model.preprocessing
    many = feature_maps_figure(deep, face)
    assert many is not None
    assert len(pictures(many)) == 1 + 10 * 2
    assert "conv0\n" in words(many)
    assert "conv29\n" in words(many)
    dense = sn.Sequential([layers.Input((16, 12, 1)), layers.Flatten(), layers.Dense(2)])
    assert feature_maps_figure(dense, face) is None


def explained(predicted: str, true: str | None, **other: Any) -> Explained:
    image = RNG.integers(0, 255, (48, 48, 1), np.uint8)
    return Explained(image, RNG.random((48, 48)), RNG.random((48, 48)), predicted, 0.834, true, **other)


def test_right_predictions_are_green_and_wrong_ones_red() -> None:
    figure = draw_explanations(
        [explained("happy", "happy"), explained("sad", "angry"), explained("fear", None)], "what speaks for it"
    )
    colours = {text.get_text(): text.get_color() for text in words_of(figure)}
    assert colours["happy 83%"] == COLOURS[True]
    assert colours["sad 83%\ntrue: angry"] == COLOURS[False]
    assert colours["fear 83%"] == COLOURS[None]
    assert {"face", "Grad-CAM", "saliency"} <= set(colours)
    assert_nothing_is_cut_off(figure)


@pytest.mark.parametrize("count", [1, 7, 19])
def test_any_number_of_faces_is_drawn_with_long_names_of_classes(count: int) -> None:
    name = "a class with a name of more than forty letters"
    figure = draw_explanations([explained(name, "another " + name) for _ in range(count)], "title")
    assert len(pictures(figure)) == 4 * count  # face, face below Grad-CAM, Grad-CAM, saliency
    assert_nothing_is_cut_off(figure)


def test_where_nothing_speaks_for_the_class_it_is_said() -> None:
    one = explained("happy", None)._replace(class_map=np.zeros((48, 48)), saliency=np.zeros((48, 48)))
    assert "nothing speaks for it" in words(draw_explanations([one], "title"))
    assert "nothing speaks for it" not in words(draw_explanations([explained("happy", None)], "title"))


@pytest.mark.parametrize("units", [1, 3])
def test_the_class_that_the_model_gives_is_explained(units: int) -> None:
    names = ("sad", "happy") if units == 1 else ("angry", "happy", "sad")
    model, faces = face_model(units, names=names), some_faces(6)
    figure = explanation_figure(model, faces, seed=3)
    inputs = np.stack([face.image for face in faces]).astype(np.float32) / np.float32(255)
    output = model.predict(inputs)
    given_class = output.argmax(axis=1) if units > 1 else (output[:, 0] > 0.5).astype(int)
    class_maps = explain.grad_cam(model, inputs, given_class)
    drawn = pictures(figure)
    for number, face in enumerate(faces):
        shown, below, class_map, changes = drawn[4 * number : 4 * number + 4]
        np.testing.assert_array_equal(shown, face.image[:, :, 0])
        np.testing.assert_array_equal(below, shown)
        np.testing.assert_allclose(class_map, class_maps[number], rtol=0, atol=1e-4)
        expected = explain.saliency(
            model, inputs[number : number + 1], int(given_class[number]), smooth=SMOOTH, seed=3 + number
        )
        np.testing.assert_allclose(changes, expected[0], rtol=0, atol=1e-5 * expected.max())
        share = output[number].max() if units > 1 else max(output[number, 0], 1 - output[number, 0])
        assert f"{names[given_class[number]]} {share:.0%}" in words(figure)
    assert "Grad-CAM on last" in words(figure)
    assert "Grad-CAM on pool" in words(explanation_figure(model, faces[:1], "pool"))


def test_images_in_colour_are_drawn_in_colour() -> None:
    face = some_faces(1, channels=3)[0]
    drawn = pictures(explanation_figure(face_model(channels=3), [face]))
    np.testing.assert_array_equal(drawn[0], face.image)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_model_that_has_diverged_explains_nothing_and_its_filters_are_drawn_all_the_same(channels: int) -> None:
    model, faces = face_model(channels=channels), some_faces(2, channels)
    for weight in model.weights:
        weight.assign(np.full(weight.shape, np.nan))
    with pytest.raises(UserError, match="its training has diverged"):
        explanation_figure(model, faces)
    for figure in (filters_figure(model), feature_maps_figure(model, faces[0])):
        assert figure is not None
        assert_nothing_is_cut_off(figure)
