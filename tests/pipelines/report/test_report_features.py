"""The chapter of features and clusters: what was found, and the commands for what was not."""

import json
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from pages import Page

from pipelines.errors import UserError
from pipelines.features.comparison import Row, Spread
from pipelines.features.record import Comparison
from pipelines.features.searching import Record
from pipelines.figures.saving import save_figure
from pipelines.report.blocks import Commands, Section
from pipelines.report.compose import write_report
from pipelines.report.material import gather
from pipelines.report.page import render_page
from pipelines.report.sections.features import feature_commands, features_section

pytestmark = pytest.mark.usefixtures("figures_unseen")

CLUSTERS: dict[str, Any] = {
    "images": 21, "part": "test", "vectors": "runs/x (flatten)",
    "command": ["cluster", "runs/x", "--data", "some data"],
    "dimension": 196, "clusters": 5, "clusters_by": "as asked for", "trained_on": 0,
    "figures": ["clusters_numbers.png"],
    "methods": {
        "kmeans": {
            "title": "K-Means", "clusters": 5, "figures": ["clusters_pca_kmeans.png", "../clusters_table_kmeans.png"],
            "scores": {
                "ari": {"mean": 0.3214, "deviation": 0.0123, "random": -0.0001},
                "nmi": {"mean": 0.4, "deviation": None, "random": 0.05},
                "silhouette": None,
            },
        }
    },
}  # fmt: skip


def page_of(*folders: Path) -> Page:
    """The chapter, and the commands that make it again."""
    runs = gather(folders).examples
    commands = Section("Commands", "commands", [Commands([line for run in runs for line in feature_commands(run)])])
    return Page(render_page("title", "subtitle", [features_section(runs), commands]))


def row(kind: str, name: str, linear: float, seconds: float) -> Row:
    spread = {key: Spread(0.25, 0.01) for key in ("ari", "nmi", "purity")}
    return Row(
        kind, name, 128, spread, dict.fromkeys(spread, -0.00001), Spread(linear, None), [0.1], Spread(0.31, 0.02),
        [5, 10, 5], seconds,
    )  # fmt: skip


def write_comparison(run: Path) -> None:
    Comparison(
        data="some data", split="test", model=str(run), of_run=True, size=(16, 16, 1), seed=0, classes=4,
        images={"training": 60, "choosing": 20, "evaluated": 21, "whole_training": 67}, majority="happy",
        majority_share=0.4, rows=[row("fixed", "fixed filters", 0.4567, 2.5e-4), row("hog", "HOG", 0.5, 1e-7)],
        command=["compare-features", str(run), "--data", "some data"],
    ).write(run / "features")  # fmt: skip


def write_clusters(run: Path, **changes: object) -> None:
    (run / "clusters").mkdir(exist_ok=True)
    (run / "clusters" / "clusters.json").write_text(json.dumps({**CLUSTERS, **changes}))
    for name in ("clusters_numbers.png", "clusters_pca_kmeans.png"):
        save_figure(Figure(figsize=(2, 2)), run / "clusters" / name)


def pictures(page: Page) -> list[str]:
    return [str(image["alt"]) for image in page.images]


def test_what_was_not_measured_is_named_with_its_command(runs: dict[str, Path]) -> None:
    page = page_of(runs["scratch"])
    assert f"measured by: scratchnet compare-features {runs['scratch']}" in page.text
    assert f"measured by: scratchnet cluster {runs['scratch']}" in page.text
    assert not any("Weights and answers" in alt or "Found by search" in alt for alt in pictures(page))


def test_a_comparison_stands_as_table_and_figure_with_chance_beside(runs: dict[str, Path]) -> None:
    write_comparison(runs["scratch"])
    page = page_of(runs["scratch"])
    scores = "0.250 ± 0.010 " * 3
    assert f"fixed filters 128 {scores}45.7% 31.0% ± 2.0 250" in page.text
    assert "by lot 0.000 0.000 0.000 25.0% 25.0%" in page.text
    assert "always happy 40.0% 40.0%" in page.text
    assert "60 training images (a sample of 67)" in page.text
    assert "fixed filters 0.1 and 5, 10; HOG 0.1 and 5, 10" in page.text
    assert any("fixed filters: linear probe 45.7%, nearest neighbours 31.0%" in alt for alt in pictures(page))
    assert any("Weights and answers of edge 0" in alt for alt in pictures(page))
    assert f"scratchnet compare-features {runs['scratch']} --data 'some data'" in page.text


def test_the_whole_report_has_the_chapter_and_its_commands(runs: dict[str, Path]) -> None:
    write_comparison(runs["plain"])
    page = Page.read(write_report([runs["plain"]]))
    assert "always happy 40.0% 40.0%" in page.text
    assert f"scratchnet compare-features {runs['plain']} --data 'some data'" in page.text


def test_clusters_stand_with_their_scores_by_lot_and_their_figures(runs: dict[str, Path]) -> None:
    write_clusters(runs["scratch"])
    page = page_of(runs["scratch"])
    assert (
        "21 test images were clustered by runs/x (flatten), 196 numbers each, into 5 clusters, as asked for. "
        in page.text
    )
    assert "ARI 0.321 ± 0.012 0.000" in page.text
    assert "NMI 0.400 0.050" in page.text
    assert "silhouette - -" in page.text
    assert sum("K-Means: " in alt for alt in pictures(page)) == 2, "those that are there, and none from elsewhere"
    assert "scratchnet cluster runs/x --data 'some data'" in page.text
    assert "trained on" not in page.text


def test_several_methods_share_a_table_and_images_that_were_trained_on_are_confessed(runs: dict[str, Path]) -> None:
    kmeans = CLUSTERS["methods"]["kmeans"]
    write_clusters(runs["scratch"], methods={"kmeans": kmeans, "dbscan": {**kmeans, "title": "DBSCAN"}}, trained_on=3)
    page = page_of(runs["scratch"])
    assert "K-Means 5 0.321 ± 0.012 0.400" in page.text
    assert "DBSCAN 5 0.321 ± 0.012 0.400" in page.text
    assert "3 of these images were trained on" in page.text
    assert "These figures are of K-Means; those of the other methods are in" in page.text
    assert "as asked for; methods that need no number find their own." in page.text


def test_a_method_that_finds_the_number_itself_is_said_to(runs: dict[str, Path]) -> None:
    write_clusters(runs["scratch"], clusters=None, clusters_by="DBSCAN finds the number of clusters itself")
    page = page_of(runs["scratch"])
    assert "196 numbers each; DBSCAN finds the number of clusters itself." in page.text
    assert "None" not in page.text


def test_it_is_said_where_the_images_of_a_training_are_not_known(runs: dict[str, Path]) -> None:
    write_clusters(runs["scratch"], trained_on=None)
    assert "It is not known which images the net was trained on" in page_of(runs["scratch"]).text


def test_what_a_search_found_is_shown(runs: dict[str, Path]) -> None:
    (runs["scratch"] / "search").mkdir()
    save_figure(Figure(figsize=(2, 2)), runs["scratch"] / "search" / "search.png")
    page = page_of(runs["scratch"])
    assert any("Found by search" in alt for alt in pictures(page))
    assert "most like them, the most similar first" in page.text
    Record("pixels", "cosine", 1234, ["search", "pixels", "--query", "my face.png"]).write(runs["scratch"] / "search")
    page = page_of(runs["scratch"])
    assert "most like them of 1,234 by pixels, cosine similarity, the most similar first" in page.text
    assert "scratchnet search pixels --query 'my face.png'" in page.text


def test_each_of_several_runs_has_its_part(runs: dict[str, Path]) -> None:
    write_comparison(runs["keras"])
    page = page_of(runs["scratch"], runs["keras"])
    assert f"measured by: scratchnet compare-features {runs['scratch']}" in page.text
    assert "always happy 40.0% 40.0%" in page.text
    assert sum("Weights and answers" in alt for alt in pictures(page)) == 1


@pytest.mark.parametrize("content", ["{", "{}", "[]"])
@pytest.mark.parametrize("name", ["features", "clusters"])
def test_damaged_findings_are_named(runs: dict[str, Path], name: str, content: str) -> None:
    (runs["plain"] / name).mkdir()
    (runs["plain"] / name / f"{name}.json").write_text(content)
    with pytest.raises(UserError, match=rf"{name}\.json is damaged.*; run scratchnet .* again"):
        features_section(gather([runs["plain"]]).examples)


@pytest.mark.parametrize(
    "changes",
    [
        {"methods": []},
        {"methods": {}},
        {"methods": {"kmeans": 3}},
        {"methods": {"kmeans": {**CLUSTERS["methods"]["kmeans"], "scores": {"ari": {"mean": "x"}}}}},
        {"images": "x"},
        {"command": None},
        {"command": [1]},
    ],
)
def test_clusters_of_another_kind_are_named(runs: dict[str, Path], changes: dict[str, object]) -> None:
    write_clusters(runs["plain"], **changes)
    with pytest.raises(UserError, match=r"clusters\.json is damaged: .*; run scratchnet cluster again"):
        features_section(gather([runs["plain"]]).examples)


@pytest.mark.parametrize("changes", [{"rows": []}, {"classes": 0}, {"images": {}}, {"command": 3}, {"size": [1]}])
def test_comparisons_of_another_kind_are_named(runs: dict[str, Path], changes: dict[str, object]) -> None:
    write_comparison(runs["plain"])
    path = runs["plain"] / "features" / "features.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    with pytest.raises(UserError, match=r"features\.json is damaged: .*; run scratchnet compare-features again"):
        features_section(gather([runs["plain"]]).examples)
