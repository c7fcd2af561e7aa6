"""The drawings of an evaluation: they show its figures, and nothing is cut off."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from said import predictions_from, random_predictions

from pipelines.evaluation import Predictions, draw_evaluation, evaluate_probabilities
from pipelines.evaluation.ranking import precision_recall_curves, roc_curves
from pipelines.figures.calibration import draw_calibration
from pipelines.figures.colours import class_colours
from pipelines.figures.confusion import draw_confusion_matrix
from pipelines.figures.ranking import draw_precision_recall, draw_roc

SEVEN = ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")


def draw(said: Predictions, title: str = "test") -> dict[str, Figure]:
    return draw_evaluation(said, evaluate_probabilities(said), title)


def texts(figure: Figure) -> list[str]:
    FigureCanvasAgg(figure).draw()
    return [text.get_text() for text in figure.findobj(Text) if text.get_visible() and text.get_text()]


def is_whole(figure: Figure) -> bool:
    """Whether everything that is drawn lies within the figure."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    drawn, (width, height) = figure.get_tightbbox(canvas.get_renderer()), figure.get_size_inches()
    return bool(min(drawn.x0, drawn.y0) >= -0.01 and drawn.x1 <= width + 0.01 and drawn.y1 <= height + 0.01)


@pytest.mark.parametrize(
    ("class_names", "title"),
    [
        (SEVEN, "test"),
        (("happy", "sad"), "validation"),
        (("happy", "sad"), "all-a-name-of-data-that-is-as-long-as-can-be-0a1b2c3d"),
        (tuple(f"a class with a long name, number {number}" for number in range(5)), "test"),
    ],
    ids=["seven", "two", "long title", "long names"],
)
def test_no_text_is_cut_off(class_names: tuple[str, ...], title: str) -> None:
    said = random_predictions(1, images=400, classes=len(class_names), class_names=class_names)
    figures = draw(said, title)
    assert list(figures) == [
        "confusion_matrix", "confusion_matrix_normalised", "roc", "precision_recall", "calibration",
    ]  # fmt: skip
    for name, figure in figures.items():
        assert is_whole(figure), name


def test_legends_of_many_classes_are_not_cut_off() -> None:
    curves = roc_curves(random_predictions(1, images=400, classes=40))
    assert is_whole(draw_roc(curves, "test"))
    assert is_whole(draw_precision_recall(curves, "test"))


def test_the_matrices_show_counts_and_shares_of_the_true_class() -> None:
    matrix = np.array([[1500, 500], [0, 0]])
    counts = texts(draw_confusion_matrix(matrix, ("a", "b"), "title"))
    assert {"1,500", "500", "title", "a", "b", "true", "predicted", "images"} <= set(counts)
    shares = texts(draw_confusion_matrix(matrix, ("a", "b"), "title", normalised=True))
    assert {"75", "25", "% of the true class"} <= set(shares)
    figure = draw_confusion_matrix(matrix, ("a", "b"), "title", normalised=True)
    assert [text.get_text() for text in figure.axes[0].texts] == ["75", "25"], "of b there is nothing to share"


def test_names_are_drawn_as_they_are() -> None:
    names = ("_hidden", "$5 or $6^", "x^{2}")
    said = random_predictions(3, classes=3, class_names=names)
    figures = draw(said, "test-$a$")
    for kind in ("confusion_matrix", "roc", "precision_recall", "calibration"):
        assert is_whole(figures[kind]), kind
    assert {"_hidden", r"\$5 or \$6^", "x^{2}"} <= set(texts(figures["confusion_matrix"]))
    entries = [text.get_text().strip() for text in figures["roc"].axes[0].get_legend().get_texts()]
    assert [entry.split("  ")[0] for entry in entries] == [
        "chance", "_hidden", r"\$5 or \$6^", "x^{2}", "macro average",
    ]  # fmt: skip


def test_a_matrix_of_hundreds_of_classes_is_no_larger_than_a_page_and_has_no_numbers() -> None:
    figure = draw_confusion_matrix(np.eye(150, dtype=np.int64), [str(n) for n in range(150)], "title")
    assert max(figure.get_size_inches()) < 20
    assert not figure.axes[0].texts


def test_curves_enclose_the_areas_in_their_legend_and_have_their_classes_colour() -> None:
    said = random_predictions(2, images=200, classes=7, absent=(1,), class_names=SEVEN)
    evaluation = evaluate_probabilities(said)
    figures = draw(said)
    colours = class_colours(7)
    for kind, figure_of in (("roc", "roc_auc"), ("precision_recall", "average_precision")):
        lines = {str(line.get_label()).split("  ")[0]: line for line in figures[kind].axes[0].lines}
        assert lines["disgust"].get_label() == "disgust  unknown"
        for label, name in enumerate(SEVEN):
            assert lines[name].get_color() == colours[label]
            if name == "disgust":
                continue
            x, y = (np.asarray(values, float) for values in lines[name].get_data())
            area = np.trapezoid(y, x) if kind == "roc" else (np.diff(x) * y[1:]).sum()
            assert area == pytest.approx(getattr(evaluation.per_class[name], figure_of))
            assert str(lines[name].get_label()).endswith(f"{area:.3f}")
    assert f"macro average  {evaluation.macro_roc_auc:.3f}" in texts(figures["roc"])


def test_the_macro_average_of_roc_curves_begins_at_the_origin_and_encloses_their_mean_area() -> None:
    said = random_predictions(6, images=300)
    (line,) = (one for one in draw(said)["roc"].axes[0].lines if str(one.get_label()).startswith("macro"))
    x, y = (np.asarray(values, float) for values in line.get_data())
    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(y, x) == pytest.approx(evaluate_probabilities(said).macro_roc_auc, abs=0.01)


def test_of_two_classes_one_roc_curve_is_drawn() -> None:
    figure = draw(random_predictions(0, classes=2, class_names=("happy", "sad")))["roc"]
    assert [str(line.get_label()).split("  ")[0] for line in figure.axes[0].lines] == ["chance", "sad"]
    assert "sad against the other" in figure.axes[0].get_title()


def test_precision_recall_curves_have_the_best_precision_of_each_recall() -> None:
    # a ranks: right, wrong, right, wrong
    said = predictions_from([(0, [0.9, 0.1]), (1, [0.8, 0.2]), (0, [0.7, 0.3]), (1, [0.1, 0.9])])
    curve = precision_recall_curves(said)["a"]
    assert curve is not None
    np.testing.assert_allclose(curve.x, [0, 0.5, 1])
    np.testing.assert_allclose(curve.y, [1, 1, 2 / 3])
    assert roc_curves(predictions_from([(0, [0.9, 0.1])])) == {"a": None, "b": None}


def test_the_calibration_diagram_shows_accuracy_gap_and_counts_of_filled_bins() -> None:
    confidence, accuracy = np.array([np.nan, 0.4, 0.9]), np.array([np.nan, 0.6, 0.7])
    figure = draw_calibration(confidence, accuracy, np.array([0, 40, 12_345]), 0.2, "title")
    above, below = figure.axes
    bars = [(bar.get_x(), bar.get_y(), bar.get_height()) for bar in above.patches]
    wanted = [(1 / 3, 0, 0.6), (2 / 3, 0, 0.7), (1 / 3, 0.6, -0.2), (2 / 3, 0.7, 0.2)]
    np.testing.assert_allclose(bars, wanted)
    assert [text.get_text() for text in below.texts] == ["40", "12k"]
    assert "expected calibration error 0.200" in above.get_title()


def test_without_probabilities_there_is_no_calibration_diagram() -> None:
    said = random_predictions(0)
    logits = Predictions(said.names, said.labels, np.log(said.probabilities), said.class_names)
    assert "calibration" not in draw(logits)
