"""Runs of every kind and in every state have a report, which says what is missing and what brings it."""

import csv
import json
import shutil
from pathlib import Path

import pytest
from pages import Page
from tiny import Command

from pipelines.report.compose import write_report

pytestmark = pytest.mark.usefixtures("figures_unseen")


def page_of(*folders: Path) -> Page:
    out = folders[0].parent / "report.html"
    return Page.read(write_report(list(folders), out))


def change_json(path: Path, **values: object) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_run_that_was_not_evaluated_names_the_command_and_no_test_figure(runs: dict[str, Path]) -> None:
    (runs["plain"] / "predictions_validation.csv").unlink()
    page = page_of(runs["plain"])
    assert (
        f"The test images have not been looked at. To measure on them: scratchnet evaluate {runs['plain']}" in page.text
    )
    assert "validation accuracy" in page.text
    assert "The validation images have chosen the epoch that was kept" in page.text
    assert "test accuracy 50.0% -" in page.text, "what is published, and nothing of ours"
    assert "Single predictions have not been kept; they are written by: scratchnet evaluate" in page.text
    assert f"scratchnet evaluate {runs['plain']} --split validation" in page.text


def test_a_run_that_was_interrupted_in_its_first_epoch_says_how_to_go_on(runs: dict[str, Path]) -> None:
    run = runs["plain"]
    for name in ("model.safetensors", "history.csv", "metrics.json"):
        (run / name).unlink()
    page = page_of(run)
    assert "interrupted before the first epoch had ended" in page.text
    assert page.text.count(f"--seed 1 --out {run}") >= 3
    assert "Conv2D" in page.text, "the recipe tells the layers"
    assert "There is nothing to evaluate" in page.text
    assert "There is nothing to explain" in page.text


def test_a_run_of_an_earlier_version_has_dashes_where_nothing_was_recorded(runs: dict[str, Path]) -> None:
    metrics = json.loads((runs["plain"] / "metrics.json").read_text())
    for name in ("ended", "compile_seconds", "first_epoch_seconds"):
        del metrics["training"][name]
    for name in ("majority_class", "majority_baseline"):
        del metrics["validation"][name]
    (runs["plain"] / "metrics.json").write_text(json.dumps(metrics))
    page = page_of(runs["plain"])
    assert "compiling kernels, besides - what ended it -" in page.text


def test_a_run_that_was_interrupted_later_shows_its_curves(runs: dict[str, Path]) -> None:
    (runs["plain"] / "metrics.json").unlink()
    page = page_of(runs["plain"])
    assert "interrupted after 1 epoch" in page.text
    assert any("Loss against epochs" in str(image["alt"]) for image in page.images)


def test_figures_of_an_epoch_that_are_no_numbers_are_dashes(runs: dict[str, Path]) -> None:
    history = runs["plain"] / "history.csv"
    with history.open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows[0]["loss"] = "nan"
    history.write_text("\n".join([",".join(rows[0]), ",".join(map(str, rows[0].values())), "1,0.5"]) + "\n")
    assert "training loss -" in page_of(runs["plain"]).text


def test_a_run_of_one_unit_explains_its_threshold(runs: dict[str, Path]) -> None:
    page = page_of(runs["two"])
    assert "one sigmoid unit, whose output p is the probability of sad; that of happy is 1 - p" in page.text
    assert "happy and sad" in page.text
    assert "The recipe two names no published figures" in page.text
    assert "1 Conv2D" in page.text
    assert any("ROC" in str(image["alt"]) for image in page.images)


def test_without_the_data_all_that_was_kept_is_still_shown(runs: dict[str, Path], tmp_path: Path) -> None:
    run = runs["scratch"]
    gone = tmp_path / "gone"
    change_json(run / "config.json", data=str(gone))
    page = page_of(run)
    assert f"The data have not been audited, because they are not there: {gone} does not exist" in page.text
    assert "The images cannot be shown, because the data are not there" in page.text
    assert "Grad-CAM, saliency and feature maps need images, which are not there" in page.text
    assert "The most confident mistakes by name." in page.text
    assert any("Bars of the number of images" in str(image["alt"]) for image in page.images)


def test_an_audit_outlives_its_data(runs: dict[str, Path], faces: dict[str, Path], tmp_path: Path) -> None:
    data = Path(shutil.copytree(faces["split"], tmp_path / "data"))
    change_json(runs["scratch"] / "config.json", data=str(data))
    assert "no longer there" not in page_of(runs["scratch"]).text
    shutil.rmtree(data)
    page = page_of(runs["scratch"])
    assert "An audit has compared all images by their pixels." in page.text
    assert f"the data are no longer there: {data} does not exist" in page.text


def test_a_run_without_its_history_says_so(runs: dict[str, Path]) -> None:
    (runs["plain"] / "history.csv").unlink()
    assert "the figures of its epochs have not been kept" in page_of(runs["plain"]).text


def test_images_that_are_gone_or_broken_are_counted_and_named(
    runs: dict[str, Path], faces: dict[str, Path], tmp_path: Path
) -> None:
    run, data = runs["scratch"], tmp_path / "data"
    shutil.copytree(faces["split"], data)
    change_json(run / "config.json", data=str(data))
    gone, broken = sorted((data / "train" / "happy").iterdir())[:2]
    gone.unlink()
    broken.write_bytes(b"no image")
    page = page_of(run)
    assert "1 image of the run is no longer in the data" in page.text
    assert f"train/happy/{broken.name} train not a readable image" in page.text
    assert "images that cannot be read 1" in page.text


def test_leaks_are_told_before_the_figures_they_spoil(
    runs: dict[str, Path], faces: dict[str, Path], tmp_path: Path
) -> None:
    run, data = runs["scratch"], tmp_path / "data"
    shutil.copytree(faces["split"], data)
    change_json(run / "config.json", data=str(data))
    first = sorted((data / "train" / "happy").iterdir())[0]
    for part in ("sad", "happy"):
        shutil.copy(first, sorted((data / "test" / part).iterdir())[0])
    page = page_of(run)
    assert "Leakage: some that measure are copies or near duplicates of some that were trained on: 2 test images" in (
        page.text
    )
    assert "test, also in train 2" in page.text
    assert any("equal pixels and different labels" in str(image["alt"]) for image in page.images)


def test_test_images_that_are_gone_and_leakage_that_is_unknown_are_told(runs: dict[str, Path]) -> None:
    metrics = json.loads((runs["scratch"] / "metrics.json").read_text())
    recorded = {"images": 21, "found": 20, "relabelled": 2, "new": 0}
    unknown = {"trained_on": None, "validated_on": None, "copies_of_training_images": None, "interval_groups": 9}
    change_json(runs["scratch"] / "metrics.json", test={**metrics["test"], "recorded": recorded, **unknown})
    page = page_of(runs["scratch"])
    assert "These are not the images of the training: of 21 recorded images, 20 are in the data and 1 not" in page.text
    assert "2 have another class now" in page.text
    assert "Leakage is unknown: it is not recorded which images were trained on." in page.text
    assert "95% intervals by bootstrap over 9 groups of images that belong together" in page.text


def test_a_cross_validation_shows_its_folds_and_what_all_held_out_images_say(
    runs: dict[str, Path], recipes: dict[str, Path]
) -> None:
    found = json.loads((runs["folds"] / "crossval.json").read_text())
    page = page_of(runs["folds"])
    results = found["results"]
    for fold, published in zip(results["folds"], ("40.0%", "60.0%"), strict=True):
        row = (
            f"fold {fold['fold']} {fold['images']:,} {fold['epoch']} of {fold['epochs']} {100 * fold['accuracy']:.1f}%"
        )
        assert row in page.text
        assert published in page.text
    assert f"± {100 * results['standard_deviation']['accuracy']:.1f}%" in page.text
    assert "Each image is judged by the network of the fold that never saw it." in page.text
    assert "What ended the trainings: fold 1 reached 2 epochs; fold 2 reached 2 epochs." in page.text
    assert page.text.count("not comparable with what is published: measured on drawn faces") == 3
    assert any("Validation accuracy per fold" in str(image["alt"]) for image in page.images)
    assert f"scratchnet crossval --recipe {recipes['tiny']} --folds 2 --data drawn:105:0" in page.text


def test_a_cross_validation_that_was_interrupted_says_how_far_it_is(runs: dict[str, Path]) -> None:
    content = json.loads((runs["folds"] / "crossval.json").read_text())
    del content["results"]
    (runs["folds"] / "crossval.json").write_text(json.dumps(content))
    shutil.rmtree(runs["folds"] / "fold_2")
    page = page_of(runs["folds"])
    assert "1 of 2 folds are done" in page.text
    assert "scratchnet crossval" in page.text
    assert f"--out {runs['folds']}" in page.text


def test_runs_and_cross_validations_share_a_page(runs: dict[str, Path]) -> None:
    page = page_of(runs["two"], runs["folds"])
    headings = [text for level, text in page.headings if level == 2]
    assert "Cross-validation" in headings
    assert "Evaluation" in headings


def test_runs_that_differ_are_told_so(runs: dict[str, Path]) -> None:
    page = page_of(runs["scratch"], runs["plain"])
    assert "same division of the same images - no" in page.text
    assert "same initial weights (seed and network) - no" in page.text
    assert "differ in more than their engine" not in page.text, "one engine trained both"
    change_json(runs["plain"] / "config.json", engine="keras")
    assert "differ in more than their engine" in page_of(runs["scratch"], runs["plain"]).text
    assert "run: seed 0 1" in page.text


def test_other_data_that_were_evaluated_are_shown_under_their_name(
    command: Command, runs: dict[str, Path], faces: dict[str, Path]
) -> None:
    assert command("evaluate", runs["scratch"], "--data", faces["csv"]).status == 0
    page = page_of(runs["scratch"])
    assert any(text.startswith("Images of faces.csv") for _, text in page.headings)


def test_a_comparison_with_the_twin_is_shown_where_there_is_one(runs: dict[str, Path]) -> None:
    assert f"is shown by: scratchnet compare {runs['scratch']}" in page_of(runs["scratch"]).text
    entry = {"name": "conv2d", "kind": "Conv2D", "largest": 1e-7, "relative": 2e-7}
    found = {
        "verdict": "The same function: as good as.",
        "notes": ["dropout is switched off in both"],
        "tolerances": {"activations": 1e-4, "gradients": 1e-5, "losses": 1e-3},
        "activations": [entry, {**entry, "relative": "inf"}],
        "gradients": [],
        "training": {"ours": [1.0], "theirs": [1.0], "apart": [0.0]},
        "seconds": [{"what": "a training step of 32 images", "ours": 0.001, "theirs": 0.003}],
    }
    (runs["scratch"] / "compare").mkdir()
    (runs["scratch"] / "compare" / "compare.json").write_text(json.dumps(found))
    page = page_of(runs["scratch"])
    assert "The same function: as good as." in page.text
    assert "activations, layers 2 inf 1e-04" in page.text
    assert "a training step of 32 images 1.000 3.000 3.00" in page.text


def test_a_recipe_that_has_changed_since_is_confessed(runs: dict[str, Path], tmp_path: Path) -> None:
    said = "has changed since, or is not to be found here"
    assert said not in page_of(runs["two"]).text
    change_json(runs["two"] / "config.json", origin=str(tmp_path / "gone.toml"))
    assert said in page_of(runs["two"]).text
