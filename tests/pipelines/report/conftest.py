"""Runs of all kinds, as small as they can be, and reports of them."""

import io
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from matplotlib.figure import Figure
from tiny import TINY

from pipelines.crossval.running import run_crossval
from pipelines.data.opening import open_data
from pipelines.data.source import open_source
from pipelines.engines import ENGINES
from pipelines.evaluation.command import run_evaluate
from pipelines.recipe_files import load_recipe
from pipelines.training import train

PUBLISHED = """
[published]
system = "An Earlier Study"
accuracy = { test = 0.5 }
macro_f1 = 0.4
f1 = { happy = 0.9 }
folds = [0.4, 0.6]
note = "On other faces."
"""
BINARY = (
    TINY.replace('name = "tiny"', 'name = "two"')
    .replace("test = 0.2", 'test = 0.2\nclasses = ["happy", "sad"]')
    .replace('units = "classes"\nactivation = "softmax"', 'units = 1\nactivation = "sigmoid"')
    .replace("batch_size = 16", 'loss = "binary_crossentropy"\nbatch_size = 16')
)


@pytest.fixture(scope="session")
def recipes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """`tiny`, with published figures; and `two`, of two classes with one unit."""
    folder = tmp_path_factory.mktemp("report_recipes")
    for name, text in (("tiny", TINY + PUBLISHED), ("two", BINARY)):
        (folder / f"{name}.toml").write_text(text)
    return {name: folder / f"{name}.toml" for name in ("tiny", "two")}


@pytest.fixture(scope="session")
def made(recipes: dict[str, Path], faces: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """`scratch` and `keras`, evaluated on test images; `plain`, not evaluated; `two`; `folds`, a cross-validation."""
    root = tmp_path_factory.mktemp("report_runs")
    recipe, two = load_recipe(str(recipes["tiny"])), load_recipe(str(recipes["two"]))
    for engine in ENGINES:
        train(recipe, open_source(faces["split"]), str(faces["split"]), root / engine, engine=engine)
    train(recipe, open_source(faces["folder"]), str(faces["folder"]), root / "plain", epochs=1, seed=1)
    source = open_data("drawn:140:0", two.preprocessing, chosen=two.data.classes)
    train(two, source, "drawn:140:0", root / "two")
    for name in ("scratch", "keras", "two"):
        run_evaluate(root / name, None, None, None, False)
    run_crossval(recipe, "drawn:105:0", root / "folds", folds=2)
    return {name: root / name for name in ("scratch", "keras", "plain", "two", "folds")}


@pytest.fixture
def figures_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are made of few images and not drawn, which takes most of the time, for tests of what a page says."""
    pixel = cv2.imencode(".png", np.zeros((1, 1), np.uint8))[1].tobytes()

    def save(self: Figure, target: io.BytesIO | Path, **options: object) -> None:
        target.write_bytes(pixel) if isinstance(target, Path) else target.write(pixel)

    monkeypatch.setattr(Figure, "savefig", save)
    for name, number in (
        ("report.illustrations.EXPLAINED", 1),
        ("report.sections.samples.MISTAKES", 3),
        ("report.sections.samples.RIGHT", 2),
        ("figures.augmented.VARIED_COPIES", 1),
        ("explaining.SMOOTH", 1),
    ):
        monkeypatch.setattr(f"pipelines.{name}", number)


@pytest.fixture
def runs(made: dict[str, Path], tmp_path: Path) -> dict[str, Path]:
    """Copies, which a test may change."""
    return {name: Path(shutil.copytree(path, tmp_path / "runs" / name)) for name, path in made.items()}
