"""Fixtures for all tests."""

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data, at `$SCRATCHNET_DATA` or at `../shared/data` beside the project."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("SCRATCHNET_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"the shared data is not at {folder}; set SCRATCHNET_DATA to its folder")
    return folder
