"""Fixtures and settings for all tests."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # read once, when TensorFlow is imported
# with oneDNN, TensorFlow's float32 convolution is wrong for some one-channel images and steps such as (1, 3); its own
# float64 one shows it
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

# two processes of tests share the processors: threads that wait must not keep the other's from working
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

# Every run draws the same examples, and a kernel that is compiled during a test may take its time.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data, at `$SCRATCHNET_DATA` or at `../shared/data` beside the project."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("SCRATCHNET_DATA", beside))
    if not folder.is_dir():
        pytest.skip(f"the shared data is not at {folder}; set SCRATCHNET_DATA to its folder")
    return folder
