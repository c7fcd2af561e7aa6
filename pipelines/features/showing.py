"""The comparison as people see it, on the terminal and in the report: a table, sentences, a figure."""

import math
from collections.abc import Sequence

from matplotlib.figure import Figure

from pipelines.features.comparison import CLUSTER_SCORES, Row, Spread
from pipelines.features.record import Comparison
from pipelines.figures.features import draw_features

# in place of a score that there is not
UNKNOWN = "\N{EN DASH}"
HEADINGS = (
    "vectors", "dimension", *CLUSTER_SCORES.values(), "linear probe", "nearest neighbours", "µs per image",
)  # fmt: skip


def table_rows(comparison: Comparison) -> list[list[str]]:
    """A row for each way to make vectors, then what chance and the most frequent class would reach."""
    rows = [_cells(row) for row in comparison.rows]
    chance, majority = (f"{100 * share:.1f}%" for share in (comparison.chance, comparison.majority_share))
    rows.append(["by lot", "", *(_by_lot(comparison, name) for name in CLUSTER_SCORES), chance, chance, ""])
    blank = [""] * len(CLUSTER_SCORES)
    return [*rows, [f"always {comparison.majority}", "", *blank, majority, majority, ""]]


def described(comparison: Comparison) -> list[str]:
    """What a reader must know before believing the table, in sentences."""
    images = comparison.images
    height, width, channels = comparison.size
    parts = "as for the run's training" if comparison.of_run else "by lot where the data do not say it"
    sample = "" if images["training"] == images["whole_training"] else f" (a sample of {images['whole_training']:,})"
    sentences = [
        f"Images are {height}x{width} {'grey' if channels == 1 else 'in colour'}, divided {parts}: classifiers learn "
        f"from {images['training']:,} training images{sample}, choose C and k by {images['choosing']:,} "
        f"{'other training images' if comparison.held_back else 'validation images'}, and are measured once on "
        f"{images['evaluated']:,} {comparison.split} images, which are also clustered.",
        "Clusters are K-Means with as many clusters as classes, probes see standardised vectors, and ± is the standard "
        "deviation over three seeds.",
    ]
    sentences += [
        f"The vectors of {row.name} have no clusters: {row.unclustered}."
        for row in comparison.rows
        if row.unclustered is not None
    ]
    if comparison.model is not None:
        sentences.append(_of_training(comparison))
    return sentences


def _of_training(comparison: Comparison) -> str:
    """Which images the trained net knows."""
    seen, evaluated = comparison.trained_on, comparison.images["evaluated"]
    if not comparison.of_run and seen is None:
        return "It is not known which images the net was trained on: there is leakage if these are among them."
    if not comparison.of_run:
        return f"The net was trained on {seen or 'none'} of the {evaluated:,} evaluated images."
    known = f"The net was trained on all {comparison.images['whole_training']:,} training images, with their labels"
    if comparison.held_back:
        known += ", those that choose C and k among them"
    if comparison.split == "validation":
        return f"{known}; validation images may have chosen its epoch, which flatters its figures on them."
    chosen_by = "" if comparison.held_back else ", and validation images may have chosen its epoch"
    if seen is None:
        return f"{known}{chosen_by}; how many evaluated images are copies of training images is not known."
    return f"{known}{chosen_by}; {seen or 'none'} of the {evaluated:,} evaluated images are copies of training images."


def chosen(comparison: Comparison) -> str:
    """What was chosen for each way to make vectors, in a sentence."""
    settings = [
        f"{row.name} {_settings(row.linear_chosen)} and {_settings(row.neighbours_chosen)}" for row in comparison.rows
    ]
    return f"C of logistic regression and k of nearest neighbours, as chosen: {'; '.join(settings)}."


def comparison_figure(comparison: Comparison) -> Figure:
    """Accuracies, agreement of clusters with classes, and time per image."""
    rows = comparison.rows
    return draw_features(
        [row.name for row in rows],
        {
            "linear probe": [(row.linear.mean, row.linear.deviation) for row in rows],
            "nearest neighbours": [(row.neighbours.mean, row.neighbours.deviation) for row in rows],
        },
        {
            # what is not a number is not drawn
            title: [
                (row.clusters[name].mean, row.clusters[name].deviation) if row.clusters else (math.nan, None)
                for row in rows
            ]
            for name, title in CLUSTER_SCORES.items()
            if name != "purity"  # whose chance level is not 0
        },
        [row.seconds_per_image for row in rows],
        comparison.chance,
        comparison.majority_share,
    )


def _cells(row: Row) -> list[str]:
    microseconds = 1e6 * row.seconds_per_image
    return [
        row.name,
        f"{row.dimension:,}",
        *(_decimal_spread(row.clusters[name]) if row.clusters else UNKNOWN for name in CLUSTER_SCORES),
        _percent_spread(row.linear),
        _percent_spread(row.neighbours),
        f"{microseconds:,.0f}" if microseconds >= 10 else f"{microseconds:.1f}",
    ]


def _by_lot(comparison: Comparison, name: str) -> str:
    """A score of clusters by lot: it depends on how large they are, and so on the row; from the least to the most."""
    values = [row.random[name] for row in comparison.rows if row.random]
    return " to ".join(dict.fromkeys(map(three_digits, (min(values), max(values))))) if values else UNKNOWN


def three_digits(value: float) -> str:
    """A figure with three digits, and never minus zero."""
    # adding 0 takes the sign from a zero
    return f"{round(value, 3) + 0:.3f}".replace("-", "\N{MINUS SIGN}")


def _decimal_spread(spread: Spread) -> str:
    return three_digits(spread.mean) + ("" if spread.deviation is None else f" ± {spread.deviation:.3f}")


def _percent_spread(spread: Spread) -> str:
    return f"{100 * spread.mean:.1f}%" + ("" if spread.deviation is None else f" ± {100 * spread.deviation:.1f}")


def _settings(values: Sequence[float]) -> str:
    return ", ".join(dict.fromkeys(f"{value:g}" for value in values))
