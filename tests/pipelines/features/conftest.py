"""A run on drawn faces, and a comparison that takes its turns in an instant."""

from pathlib import Path

import pytest

from pipelines.bench.timing import Pace
from pipelines.data.source import open_source
from pipelines.recipe_files import load_recipe
from pipelines.training import train


@pytest.fixture(scope="session")
def trained(tiny_recipe: Path, faces: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the tiny recipe on data with a test split."""
    folder = tmp_path_factory.mktemp("vectors") / "tiny"
    train(load_recipe(str(tiny_recipe)), open_source(faces["split"]), str(faces["split"]), folder, epochs=1)
    return folder


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each contender is timed by one call."""
    monkeypatch.setattr("pipelines.features.comparison.PACE", Pace(rounds=1, budget=0, lead=0, pause=0))
