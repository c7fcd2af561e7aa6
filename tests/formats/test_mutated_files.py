"""Files with random changes load or are refused, and nothing else happens."""

from pathlib import Path

import pytest
from fuzz import MUTATIONS, Samples, fuzz, make_samples

import scratchnet as sn


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Samples:
    return make_samples(tmp_path_factory.mktemp("samples"))


@pytest.mark.parametrize("kind", MUTATIONS)
def test_mutated_files_load_or_are_refused(kind: str, samples: Samples, tmp_path: Path) -> None:
    results = fuzz(samples, kind, range(60), tmp_path)
    assert results.total() == 60
    assert results["refused"] > 5


def test_the_harness_notices_what_it_should(samples: Samples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(path: Path) -> sn.Model:
        raise KeyError(path)

    sound_model = sn.load_model
    calls = iter([sound_model, crash])
    monkeypatch.setattr(sn, "load_model", lambda path: next(calls)(path))
    with pytest.raises(AssertionError, match=r"\.h5 number 5: KeyError"):
        fuzz(samples, ".h5", range(5, 6), tmp_path)
