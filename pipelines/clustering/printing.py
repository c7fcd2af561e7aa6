"""Clusterings for people, in the terminal."""

from collections.abc import Mapping, Sequence

from pipelines.clustering.assessing import Outcome, Score
from pipelines.clustering.choice import Choice
from pipelines.clustering.scores import TITLES
from pipelines.console import console, table

UNKNOWN = "-"


def print_choice(choice: Choice, number: int, why: str) -> None:
    """Print how many clusters there are to be, and what both rules say."""
    console.print(
        f"{number} clusters, {why}; over {choice.numbers[0]} to {choice.numbers[-1]} the largest silhouette is at "
        f"{choice.by_silhouette}, the elbow at {choice.by_elbow}"
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
    console.print(
        "mean ± standard deviation over seeds; random: the same cluster sizes, with the images dealt out by lot; "
        "once: no seed changes the result. Matched purity is also called clustering accuracy."
    )
    for outcome in outcomes:
        settings = [f"{name} {value:.4g}" for name, value in outcome.first.settings.items()]
        for note in (*settings, *outcome.first.notes):
            console.print(f"{outcome.title}: {note}")
    for name, reason in failed.items():
        console.print(f"{name}: {reason}")


def _print_one(outcome: Outcome, title: str) -> None:
    rows = [[TITLES[name], _measured(score), _by_chance(score)] for name, score in outcome.scores.items()]
    runs = f"{outcome.runs} seeds" if outcome.first.random else "once"
    console.print(table(title, [f"{outcome.title}, {_found(outcome)} clusters, {runs}", "score", "random"], rows))


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
    return f"{score.mean:.3f}" + ("" if score.deviation is None else f" ± {score.deviation:.3f}")


def _by_chance(score: Score | None) -> str:
    return UNKNOWN if score is None else f"{score.random:.3f}"
