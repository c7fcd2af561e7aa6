"""The dataset that an undisturbed extraction makes."""

from pathlib import Path

import pytest
from extraction import FILMS, SETTINGS

from pipelines.movies.extract import extract


@pytest.fixture(scope="session")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the three films give in one go."""
    folder = tmp_path_factory.mktemp("extract") / "dataset"
    extract(FILMS, folder, SETTINGS)
    return folder
