"""The figures of folds, by hand: mean, deviation, pooled matrix, table, csv and pictures."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.console import Console

from pipelines.crossval.progress import Progress, look, tell
from pipelines.crossval.results import FoldResult, Summary, measure, results_csv, results_table, summarize
from pipelines.evaluation import Predictions
from pipelines.figures.folds import draw_fold_bars, draw_fold_curves, mean_curve
from pipelines.run import Run

NAMES = ("happy", "sad")
MATRICES = ([[3, 1], [2, 4]], [[5, 0], [1, 4]], [[4, 1], [0, 5]])


def result(fold: int, matrix: list[list[int]], loss: float = 0.5) -> FoldResult:
    counts = np.array(matrix)
    accuracy = float(np.trace(counts) / counts.sum())
    history = {"val_accuracy": [0.5, accuracy], "val_loss": [0.9, loss]}
    return FoldResult(fold, int(counts.sum()), 2, 2, accuracy, accuracy - 0.01, loss, 1.5, counts, history)


@pytest.fixture
def summary() -> Summary:
    return summarize([result(n, matrix, 0.1 * n) for n, matrix in enumerate(MATRICES, 1)], NAMES)


def test_mean_and_deviation_are_over_folds_with_n_minus_1(summary: Summary) -> None:
    assert summary.mean["accuracy"] == pytest.approx((0.7 + 0.9 + 0.9) / 3)
    assert summary.deviation["accuracy"] == pytest.approx(np.sqrt(((0.4 / 3) ** 2 + 2 * (0.2 / 3) ** 2) / 2))
    assert summary.mean["loss"] == pytest.approx(0.2)
    assert summary.deviation["loss"] == pytest.approx(0.1)


def test_all_held_out_images_are_pooled(summary: Summary) -> None:
    assert summary.pooled.matrix.tolist() == [[12, 2], [3, 13]]
    assert summary.pooled.images == 30
    assert summary.pooled.accuracy == pytest.approx(25 / 30)
    assert summary.pooled.per_class["sad"].recall == pytest.approx(13 / 16)


def said(labels: np.ndarray, probabilities: np.ndarray) -> Predictions:
    names = tuple(f"{number}.png" for number in range(len(labels)))
    return Predictions(names, labels, probabilities.astype(np.float64), ("a", "b", "c"))


def test_the_pooled_intervals_draw_groups_whole() -> None:
    rng = np.random.default_rng(0)
    labels = [np.repeat([0, 1], count) for count in (40, 60)]
    # the frames of a scene of ten are all right or all wrong
    scores = [np.eye(2)[np.where(np.repeat(rng.random(len(own) // 10) < 0.7, 10), own, 1 - own)] for own in labels]
    folds, predictions = [], []
    for number, (own, score) in enumerate(zip(labels, scores, strict=True), 1):
        names = tuple(f"{number}/{place}" for place in range(len(own)))
        predictions.append(Predictions(names, own, score, NAMES, np.arange(len(own)) // 10))
        matrix = np.zeros((2, 2), int)
        np.add.at(matrix, (own, score.argmax(axis=1)), 1)
        folds.append(result(number, matrix.tolist()))
    plain, grouped = summarize(folds, NAMES).pooled, summarize(folds, NAMES, predictions).pooled
    assert (plain.groups, grouped.groups) == (None, 20)
    assert grouped.matrix.tolist() == plain.matrix.tolist()
    widths = [np.diff(one.intervals["accuracy"] or (0, 0))[0] for one in (plain, grouped)]
    assert widths[1] == pytest.approx(10**0.5 * widths[0], rel=0.2)


def test_a_held_out_fold_is_measured_as_keras_measures_it() -> None:
    keras = pytest.importorskip("keras")
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(3), 40).astype(np.float32)
    probabilities[0] = (0, 1, 0)
    labels = rng.integers(0, 3, 40)
    labels[0] = 0  # the network was sure of another class
    measured = measure(said(labels, probabilities))
    losses = keras.losses.sparse_categorical_crossentropy(labels, probabilities)
    assert measured["loss"] == pytest.approx(float(np.mean(losses)), rel=1e-4)
    assert measured["accuracy"] == np.mean(probabilities.argmax(axis=1) == labels)
    assert np.sum(measured["confusion_matrix"]) == measured["images"] == 40


def test_a_fold_without_images_of_the_last_class_has_a_loss() -> None:
    measured = measure(said(np.array([0, 1]), np.array([[0.5, 0.3, 0.2], [0.1, 0.8, 0.1]])))
    assert measured["loss"] == pytest.approx(-(np.log(0.5) + np.log(0.8)) / 2)


def test_the_csv_has_a_line_per_fold_and_the_mean_below(summary: Summary) -> None:
    rows = list(csv.DictReader(io.StringIO(results_csv(summary))))
    assert [row["fold"] for row in rows] == ["1", "2", "3", "mean", "standard deviation"]
    assert [float(row["accuracy"]) for row in rows[:3]] == pytest.approx([0.7, 0.9, 0.9])
    assert float(rows[3]["accuracy"]) == summary.mean["accuracy"]
    assert (rows[3]["images"], rows[4]["seconds"]) == ("", "")


def printed(summary: Summary, published: list[float]) -> list[list[str]]:
    text = io.StringIO()
    Console(file=text, width=200).print(results_table(summary, "title", published))
    lines = [line for line in text.getvalue().splitlines() if line.startswith(("│", "┃"))]
    return [[cell.strip() for cell in line.strip("│┃").replace("┃", "│").split("│")] for line in lines]


def test_the_table_shows_published_folds_beside_ours(summary: Summary) -> None:
    rows = printed(summary, [0.6, 0.5, 0.7])
    assert rows[0] == ["fold", "images", "epoch", "accuracy", "macro F1", "loss", "published accuracy"]
    assert rows[1] == ["1", "10", "2 of 2", "0.7000", "0.6900", "0.1000", "0.6000"]
    assert rows[-2] == ["mean", "30", "", "0.8333", "0.8233", "0.2000", "0.6000"]
    assert rows[-1] == ["std (n - 1)", "", "", "0.1155", "0.1155", "0.1000", "0.1000"]


@pytest.mark.parametrize(("published", "last"), [([0.6], "0.6000"), ([0.6, 0.4, 0.5, 0.5], "0.5000")])
def test_a_published_number_of_folds_may_be_another(summary: Summary, published: list[float], last: str) -> None:
    rows = printed(summary, published)
    assert len(rows) == 1 + max(3, len(published)) + 2
    assert [row[-1] for row in rows[1 : 1 + len(published)]] == [f"{value:.4f}" for value in published]
    assert rows[-2][-1] == last


def test_without_published_folds_there_is_no_column_for_them(summary: Summary) -> None:
    assert len(printed(summary, [])[0]) == 6


def test_the_time_left_is_told_from_the_epochs_of_this_session() -> None:
    assert tell(Progress(2, 45), Progress(1, 30), 4, 20, 60) == "2 of 4 folds done, 45 of 80 epochs, about 2 min left"
    assert tell(Progress(1, 30), Progress(1, 30), 4, 20, 60) == "1 of 4 folds done, 30 of 80 epochs"
    assert tell(Progress(4, 80), Progress(1, 30), 4, 20, 60) == "4 of 4 folds done, 80 of 80 epochs"


def test_how_far_folds_are_is_read_from_their_folders(tmp_path: Path) -> None:
    runs = [Run(tmp_path / f"fold_{number}") for number in range(1, 5)]
    for run in runs[:3]:
        run.folder.mkdir()
    held_out = {"images": 1, "accuracy": 1.0, "macro_f1": 1.0, "per_class": {}, "confusion_matrix": []}
    runs[0].add_metrics(training={"epochs": 3, "best_epoch": 3, "seconds": 1.0}, held_out=held_out)  # stopped early
    runs[0].history_path.write_text("epoch,loss\n0,1\n1,1\n2,1\n")
    runs[1].history_path.write_text("epoch,loss\n0,1\n1,1\n")
    assert look(runs, 20) == Progress(1, 22)


def test_the_mean_curve_ends_with_the_first_fold_that_stops() -> None:
    np.testing.assert_allclose(mean_curve([[1, 2, 3], [3, 4]]), [2, 3])


def check_nothing_is_cut_off(figure: Figure) -> None:
    FigureCanvasAgg(figure).draw()
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert box.x0 >= -0.01
    assert box.y0 >= -0.01
    assert box.x1 <= width + 0.01
    assert box.y1 <= height + 0.01


@pytest.mark.parametrize("folds", [2, 4, 12])
def test_curves_show_every_fold_and_the_mean_as_the_boldest_line(folds: int) -> None:
    histories = [{"val_accuracy": [0.1 * epoch + 0.01 * fold for epoch in range(5)]} for fold in range(folds)]
    figure = draw_fold_curves(histories, "val_accuracy", "Validation accuracy per fold", published=0.3)
    (axes,) = figure.axes
    lines = {line.get_label(): line for line in axes.lines}
    for number, history in enumerate(histories, 1):
        np.testing.assert_array_equal(lines[f"fold {number}"].get_ydata(), history["val_accuracy"])
    np.testing.assert_allclose(
        lines["mean"].get_ydata(), np.mean([history["val_accuracy"] for history in histories], axis=0)
    )
    assert lines["mean"].get_linewidth() == max(line.get_linewidth() for line in axes.lines)
    assert set(lines["published mean"].get_ydata()) == {0.3}
    assert axes.get_title() == "Validation accuracy per fold"
    check_nothing_is_cut_off(figure)


@pytest.mark.parametrize("published", [[], [0.5677, 0.6196, 0.5989, 0.5819]])
def test_bars_say_their_values_and_have_published_ones_beside_them(published: list[float]) -> None:
    figure = draw_fold_bars([0.0, 0.55, 1.0], "Accuracy", published)
    (axes,) = figure.axes
    texts = [text.get_text() for text in axes.texts]
    assert texts == [f"{value:.1%}" for value in [0.0, 0.55, 1.0, *published]]
    assert [patch.get_height() for patch in axes.patches] == [0.0, 0.55, 1.0, *published]
    (legend,) = figure.legends
    assert len(legend.get_texts()) == 1 + bool(published)
    assert legend.get_texts()[0].get_text() == "ours, mean 51.7% ± 50.1%"
    check_nothing_is_cut_off(figure)
