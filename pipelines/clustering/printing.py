"""Clusterings for people, in the terminal."""

from collections.abc import Mapping, Sequence

from pipelines.clustering.assessing import Outcome, Score
from pipelines.clustering.choice import Choice
from pipelines.clustering.scores import SILHOUETTE_SAMPLE, TITLES
from pipelines.console import console, table

UNKNOWN = "-"


def print_choice(choice: Choice, number: int | None, why: str) -> None:
    """Print how many clusters there are to be, and what both rules say; no number where no method is told one."""
    told = why if number is None else f"{number} clusters, {why}"
    sampled = f" (of {choice.silhouette_images:,} by lot)" if choice.silhouette_images < choice.images else ""
    largest = "unknown" if choice.by_silhouette is None else f"at {choice.by_silhouette}"
    tried = f"{len(choice.numbers)} numbers from {choice.numbers[0]} to {choice.numbers[-1]}"
    console.print(
        f"{told}; over {tried}, on {choice.images:,} images, the largest silhouette{sampled} is {largest}, the elbow "
        f"at {choice.by_elbow}"
    )


def print_outcomes(outcomes: Sequence[Outcome], title: str, failed: Mapping[str, str]) -> None:
    """Print the scores of each method beside their values for random clusters, and what a reader must know.

    Args:
        outcomes: at least one.
        title: above the table.
        failed: why others gave nothing, by their titles.
    """
    if len(outcomes) == 1:
        _print_one(outcomes[0], title)
    else:
        _print_several(outcomes, title)
    legend = ["random: the same cluster sizes, with the images dealt out by lot"]
    if any(outcome.runs > 1 for outcome in outcomes):
        legend.insert(0, "mean ± standard deviation over seeds")
    if not all(outcome.first.random for outcome in outcomes):
        legend.append("once: no seed changes the result")
    if about := _about_silhouette(outcomes):
        legend.append(f"silhouette: {about}")
    console.print(f"{'; '.join(legend)}. Matched purity is also called clustering accuracy.")
    for outcome in outcomes:
        settings = [f"{name} {value:.4g}" for name, value in outcome.first.settings.items()]
        for note in (*settings, *outcome.first.notes):
            console.print(f"{outcome.title}: {note}")
    for name, reason in failed.items():
        console.print(f"{name}: {reason}")


def _about_silhouette(outcomes: Sequence[Outcome]) -> str:
    """Which images it is of, unless it is all."""
    sampled = len(outcomes[0].first.clusters) > SILHOUETTE_SAMPLE
    words = [f"of {SILHOUETTE_SAMPLE:,} images by lot"] if sampled else []
    words += ["without noise"] if any(outcome.first.noise for outcome in outcomes) else []
    return ", ".join(words)


def _print_one(outcome: Outcome, title: str) -> None:
    rows = [[TITLES[name], _measured(score), _by_chance(score)] for name, score in outcome.scores.items()]
    console.print(table(title, [outcome.title, "score", "random"], rows))
    runs = "once" if not outcome.first.random else "1 seed" if outcome.runs == 1 else f"{outcome.runs} seeds"
    console.print(f"clusters: {_found(outcome)}; {runs}")


def _print_several(outcomes: Sequence[Outcome], title: str) -> None:
    rows = []
    for outcome in outcomes:
        runs = f"{outcome.runs}" if outcome.first.random else "once"
        rows.append([outcome.title, _found(outcome), runs, *(_measured(outcome.scores[name]) for name in TITLES)])
        rows.append(["  random", "", "", *(_by_chance(outcome.scores[name]) for name in TITLES)])
    console.print(table(title, ["method", "clusters", "seeds", *TITLES.values()], rows))


def _found(outcome: Outcome) -> str:
    return f"{outcome.first.found}" + (f" + {outcome.first.noise:,} noise" if outcome.first.noise else "")


def _measured(score: Score | None) -> str:
    if score is None:
        return UNKNOWN
    return f"{score.mean:z.3f}" + ("" if score.deviation is None else f" ± {score.deviation:.3f}")


def _by_chance(score: Score | None) -> str:
    return UNKNOWN if score is None else f"{score.random:z.3f}"
