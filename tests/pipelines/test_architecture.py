"""The table of a model's layers says what Keras says, and its drawing leaves nothing out and hides nothing."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
from figures_checked import assert_nothing_is_cut_off, words_of
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from random_models import models

import scratchnet as sn
from pipelines.architecture import by, describe_architecture
from pipelines.explaining import architecture_figure
from pipelines.figures.lanes import lay_out
from pipelines.figures.saving import save_figure
from pipelines.figures.volumes import blocks_of
from pipelines.recipe_files import load_recipe
from pipelines.twin import to_keras
from scratchnet import layers

CLASSES = {"fer-small": 7, "fer-deep": 7, "happy-sad": 2, "movie-frames": 4, "movie-frames-brief": 5}


def vgg(blocks: int = 5, size: int = 32) -> sn.Model:
    """VGG-16's stack (Simonyan & Zisserman, 2014), with a sixteenth of its channels."""
    stack: list[Any] = [layers.Input((size, size, 3))]
    for block, (repeats, channels) in enumerate([(2, 4), (2, 8), (3, 16), (3, 32), (3, 32)][:blocks], 1):
        stack += [
            layers.Conv2D(channels, 3, padding="same", activation="relu", name=f"block{block}_conv{number}")
            for number in range(1, repeats + 1)
        ]
        stack.append(layers.MaxPooling2D(name=f"block{block}_pool"))
    stack += [layers.Flatten(), *(layers.Dense(64, activation="relu", name=f"fc{number}") for number in (1, 2))]
    return sn.Sequential([*stack, layers.Dense(10, activation="softmax", name="predictions")], name="vgg")


def residual(blocks: int) -> sn.Model:
    """Residual blocks, every other one of them with a projection."""
    image = value = layers.Input((16, 16, 1), name="face")
    for block in range(blocks):
        inside = layers.Conv2D(4, 3, padding="same", use_bias=False, name=f"b{block}_conv1")(value)
        inside = layers.ReLU(name=f"b{block}_relu1")(layers.BatchNormalization(name=f"b{block}_norm1")(inside))
        inside = layers.Conv2D(4, 3, padding="same", name=f"b{block}_conv2")(inside)
        around = layers.Conv2D(4, 1, name=f"b{block}_project")(value) if block % 2 == 0 else value
        value = layers.ReLU(name=f"b{block}_relu")(layers.Add(name=f"b{block}_add")([around, inside]))
    return sn.Model(image, layers.Dense(3)(layers.GlobalAveragePooling2D()(value)), name="residual")


def nested() -> sn.Model:
    """One stem for two eyes."""
    stem = sn.Sequential(
        [
            layers.Input((12, 12, 3)), layers.Conv2D(4, (3, 5), strides=(2, 1), name="conv"),
            layers.BatchNormalization(name="norm", momentum=0.9), layers.MaxPooling2D(name="pool"),
        ],
        name="stem",
    )  # fmt: skip
    left, right = layers.Input((12, 12, 3), name="left"), layers.Input((12, 12, 3), name="right")
    joined = layers.Flatten(name="flat")(layers.Concatenate(name="both")([stem(left), stem(right)]))
    return sn.Model([left, right], layers.Dense(2, name="classes")(joined), name="eyes")


MODELS: dict[str, Callable[[], sn.Model]] = {"vgg": vgg, "residual": lambda: residual(4), "nested": nested}


@pytest.mark.parametrize("name", MODELS)
def test_parameters_and_shapes_are_keras_own(name: str) -> None:
    pytest.importorskip("tensorflow")
    model = MODELS[name]()
    twin, found = to_keras(model), describe_architecture(model)
    assert found.parameters == twin.count_params() == sum(row.parameters for row in found.rows)
    assert found.trainable == sum(int(np.prod(weight.shape)) for weight in twin.trainable_weights)
    for row in found.rows:
        if row.kind == "Input" or row.repeated:
            continue
        *around, own = row.name.split("/")
        other = twin.get_layer(around[0]).get_layer(own) if around else twin.get_layer(own)
        assert row.parameters == other.count_params(), row.name
        assert (None, *row.shape) == tuple(other.output.shape), row.name
        assert row.kind == type(other).__name__


@settings(max_examples=20)
@given(models())
def test_the_rows_of_any_graph_add_up_and_refer_back(model: sn.Model) -> None:
    found = describe_architecture(model)
    assert sum(row.parameters for row in found.rows) == found.parameters == model.count_params()
    for number, row in enumerate(found.rows):
        assert all(source < number for source in row.sources)
        assert bool(row.sources) == (row.kind != "Input")


@pytest.mark.parametrize("name", CLASSES)
def test_the_recipes_have_the_numbers_that_their_models_count(name: str) -> None:
    model = load_recipe(name).build_model(tuple(f"class {number}" for number in range(CLASSES[name])))
    found = describe_architecture(model)
    assert found.is_chain
    published = {"fer-small": 684_423, "happy-sad": 59_076_673}
    assert sum(row.parameters for row in found.rows) == published.get(name, model.count_params())
    if name == "happy-sad":
        counted = [row.parameters for row in found.rows if row.parameters]
        assert counted == [896, 18_496, 73_856, 58_982_912, 513]


def test_kernels_strides_and_options_are_told() -> None:
    model = sn.Sequential(
        [
            layers.Input((None, 20, 4)),
            layers.Conv2D(
                8, (3, 5), strides=(1, 2), padding="same", groups=2, use_bias=False, activation="relu",
                kernel_regularizer=sn.regularizers.L2(1e-4), trainable=False,
            ),
            layers.Conv2D(8, 3, dilation_rate=2), layers.DepthwiseConv2D(3, depth_multiplier=2),
            layers.MaxPooling2D(2), layers.BatchNormalization(momentum=0.9), layers.LeakyReLU(0.2),
            layers.ZeroPadding2D(((1, 0), (2, 3))), layers.Dropout(0.25), layers.GlobalAveragePooling2D(),
            layers.Dense(2, activation="softmax"),
        ]
    )  # fmt: skip
    rows = describe_architecture(model).rows
    assert [row.options for row in rows[1:]] == [
        "same, 2 groups, relu, no bias, L2 0.0001, frozen", f"valid, dilation {by((2, 2))}",
        "valid, depth multiplier 2", "valid", "momentum 0.9", "slope 0.2", "1+0 rows, 2+3 columns", "rate 0.25", "",
        "softmax",
    ]  # fmt: skip
    assert (rows[1].kernel, rows[1].strides, rows[4].kernel, rows[4].strides) == ((3, 5), (1, 2), (2, 2), (2, 2))
    assert rows[5].kernel is None
    assert rows[0].size == by(("any", 20, 4))  # type: ignore[arg-type]
    assert rows[-1].size == "2"


def test_an_activation_without_a_name_is_left_out() -> None:
    model = sn.Sequential([layers.Input((4,)), layers.Dense(2, activation=lambda x: sn.ops.relu(x) * 2.0)])
    assert [row.options for row in describe_architecture(model).rows] == ["", ""]


def test_later_calls_of_a_layer_are_counted_with_the_first() -> None:
    rows = {row.name: row for row in describe_architecture(nested()).rows}
    assert rows["stem/conv"].parameters == 3 * 5 * 3 * 4 + 4
    assert rows["stem (call 2)/conv"].parameters == 0
    assert [name for name, row in rows.items() if row.repeated] == [
        "stem (call 2)/conv", "stem (call 2)/norm", "stem (call 2)/pool"
    ]  # fmt: skip
    assert not describe_architecture(nested()).is_chain


@st.composite
def graphs(draw: Any) -> list[tuple[int, ...]]:
    rows: list[tuple[int, ...]] = [()]
    for row in range(1, draw(st.integers(1, 25))):
        rows.append(tuple(draw(st.lists(st.integers(0, row - 1), max_size=3))))
    return rows


@given(graphs())
def test_no_line_runs_through_a_box_or_another_line(sources: list[tuple[int, ...]]) -> None:
    lanes = lay_out(sources)
    expected = {(source, row) for row, given_rows in enumerate(sources) for source in given_rows}
    assert {(line.source, line.target) for line in lanes.connections} == expected
    taken = {(row, lane) for row, lane in enumerate(lanes.nodes)}
    for line in lanes.connections:
        for row in range(line.source + 1, line.target):
            assert (row, line.lane) not in taken, (row, line)
            taken.add((row, line.lane))
    assert all(lane < lanes.width for _, lane in taken)


def test_the_longest_way_runs_straight_down() -> None:
    assert lay_out([(), (0,), (1,)]).nodes == [0, 0, 0]
    skip = lay_out([(), (0,), (1,), (2, 0)])
    assert skip.nodes == [0, 0, 0, 0]
    assert [line.lane for line in skip.connections if (line.source, line.target) == (0, 3)] == [1]
    branches = lay_out([(), (0,), (0,), (2,), (1, 3)])
    assert branches.nodes == [0, 1, 0, 0, 0]


def test_maps_of_one_size_touch_and_the_pool_ends_them() -> None:
    blocks = blocks_of(describe_architecture(vgg()).rows)
    assert [len(block) for block in blocks] == [1, 3, 3, 4, 4, 4, 1, 1, 1]
    assert all(row.kind == "MaxPooling2D" for block in blocks[1:6] for row in block[-1:])
    assert [block[0].name for block in blocks[6:]] == ["fc1", "fc2", "predictions"]


def drawn_words(figure: Figure) -> set[str]:
    return {text.get_text() for text in words_of(figure)}


def lines_of(figure: Figure) -> list[list[Any]]:
    """Where the words of a figure are, in pixels, line by line."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    found: dict[int, list[Any]] = {}
    for text in words_of(figure):
        box = text.get_window_extent(canvas.get_renderer())
        found.setdefault(round(box.y0), []).append(box)
    return [sorted(line, key=lambda box: box.x0) for line in found.values()]


@pytest.mark.parametrize(
    "build",
    [vgg, lambda: residual(3), nested, lambda: vgg(1, size=4), lambda: residual(20), lambda: long_names()],
    ids=["vgg", "residual", "nested", "one block", "160 layers", "long names"],
)
def test_every_word_is_inside_the_figure_and_none_covers_another(build: Callable[[], sn.Model]) -> None:
    figure = architecture_figure(build())
    assert_nothing_is_cut_off(figure)
    lines = lines_of(figure)
    assert len(lines) > 5
    for line in lines:
        for one, another in pairwise(line):
            assert one.x1 <= another.x0 + 1, (one, another)


def long_names() -> sn.Model:
    name = "a_layer_whose_name_is_longer_than_anyone_would_want_it_to_be_and_costs_$5_or_$6"
    stack = [layers.Conv2D(2, 3, name=f"{name}_{number}", kernel_regularizer="l2") for number in range(3)]
    return sn.Sequential([layers.Input((16, 16, 1)), *stack, layers.Flatten(), layers.Dense(2)], name=name)


def test_names_kinds_shapes_parameters_and_totals_are_drawn() -> None:
    words = drawn_words(architecture_figure(nested()))
    for row in describe_architecture(nested()).rows:
        assert {row.name, row.kind, row.size} <= words
    assert {by((3, 5)), by((2, 1)), "184", "16", "shared", "eyes"} <= words
    total = describe_architecture(nested())
    assert f"6 layers, {total.parameters:,} parameters, {total.trainable:,} trainable, 8 not" in words
    assert any("all trainable" in word for word in drawn_words(architecture_figure(vgg())))


def test_a_figure_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.figures.architecture.MOST_ROWS", 10)
    figure, found = architecture_figure(residual(4)), describe_architecture(residual(4))
    assert_nothing_is_cut_off(figure)
    words = drawn_words(figure)
    assert f"… and {len(found.rows) - 10} more" in words
    assert found.rows[9].name in words
    assert found.rows[10].name not in words
    assert any(f"{found.parameters:,} parameters" in word for word in words)


def test_the_figure_is_written_as_png_and_svg_the_same_each_time(tmp_path: Path) -> None:
    model = residual(2)
    for number in (1, 2):
        figure = architecture_figure(model)
        for kind in ("png", "svg"):
            save_figure(figure, tmp_path / f"{number}.{kind}")
    for kind in ("png", "svg"):
        assert (tmp_path / f"1.{kind}").read_bytes() == (tmp_path / f"2.{kind}").read_bytes()
    image = cv2.imread(str(tmp_path / "1.png"))
    assert image is not None
    assert image.std() > 10
    root = ElementTree.parse(tmp_path / "1.svg").getroot()
    assert root.tag.endswith("svg")
    assert b"b0_project" in (tmp_path / "1.svg").read_bytes()
