"""The bounds of Winograd's errors that the documentation states hold, and the definition's are smaller."""

import pytest

from pipelines.bench.accuracy import LAYERS, accuracy_rows
from pipelines.bench.results import EXACTLY, OURS, Verdict
from scratchnet.kernels import conv


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("layer", LAYERS)
def test_errors_stay_within_the_stated_bounds(layer: tuple[int, int, int, int], seed: int) -> None:
    size, channels, filters, _ = layer
    rows = list(accuracy_rows(size, channels, filters, batch=2, seed=seed))
    assert len(rows) == 4
    for row in rows:
        assert row.verdict in {Verdict.MET, Verdict.AIM}, row
        assert 0 <= row.figures[EXACTLY].median < row.figures[OURS].median
    assert not conv.is_exact()
