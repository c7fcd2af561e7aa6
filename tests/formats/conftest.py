"""Sound model files that tests spoil."""

import zipfile

import pytest
from oracle import keras


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The members of a sound `.keras` file, and the same model as `.h5`."""
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3, name="first"), keras.layers.Dense(2)])
    folder = tmp_path_factory.mktemp("sound")
    model.save(folder / "m.keras")
    model.save(folder / "m.h5")
    model.save_weights(folder / "m.weights.h5")
    with zipfile.ZipFile(folder / "m.keras") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    weights = (folder / "m.weights.h5").read_bytes()
    return {**members, "h5": (folder / "m.h5").read_bytes(), "weights": weights}
