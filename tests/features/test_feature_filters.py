"""The bank of fixed filters, and how filters are spread over maps."""

import numpy as np
import pytest

from scratchnet.features import filter_bank
from scratchnet.features.filters import over_maps, random_like, stage_kernels


def test_every_filter_sums_to_one_in_absolute_values_over_any_channels() -> None:
    for channels in (1, 3, 5):
        bank = filter_bank(channels)
        assert bank.kernels.shape == (3, 3, channels, 16)
        assert bank.kernels.dtype == np.float32
        assert len(set(bank.names)) == len(bank.formulas) == 16
        np.testing.assert_allclose(np.abs(bank.kernels).sum(axis=(0, 1, 2)), 1, rtol=1e-6)


def test_all_but_sharpen_and_blur_ignore_flat_images() -> None:
    bank = filter_bank(1)
    sums = dict(zip(bank.names, bank.kernels.sum(axis=(0, 1, 2)), strict=True))
    assert {name for name, total in sums.items() if abs(total) > 1e-6} == {"sharpen", "blur"}


@pytest.mark.parametrize(
    ("name", "step", "expected"),
    [
        ("edge 0", (0, 1), 1.0), ("edge 90", (0, 1), 0.0), ("edge 90", (-1, 0), 1.0), ("edge 45", (-1, 1), 4 / 3),
        ("edge 135", (-1, -1), 4 / 3), ("Sobel x", (0, 1), 1.0), ("Sobel y", (1, 0), 1.0), ("Laplacian", (2, 5), 0.0),
    ],
)  # fmt: skip
def test_slopes_answer_as_computed_by_hand(name: str, step: tuple[int, int], expected: float) -> None:
    y, x = np.mgrid[-1:2, -1:2]
    bank = filter_bank(1)
    mask = bank.kernels[:, :, 0, bank.names.index(name)]
    ramp = step[0] * y + step[1] * x
    assert abs(float((mask * ramp).sum()) - expected) < 1e-6


def test_a_gabor_filter_answers_most_to_a_line_across_its_waves() -> None:
    bank = filter_bank(1)
    upright = np.array([[0, 1, 0]] * 3)
    answers = {n: float((bank.kernels[:, :, 0, i] * upright).sum()) for i, n in enumerate(bank.names) if "Gabor" in n}
    assert max(answers, key=lambda name: answers[name]) == "Gabor 0"
    assert min(answers, key=lambda name: answers[name]) == "Gabor 90"


def test_a_filter_looks_at_three_neighbouring_maps() -> None:
    kernels = np.arange(1.0, 3 * 3 * 3 * 5 + 1).reshape(3, 3, 3, 5)
    spread = over_maps(kernels, 4)
    for j in range(5):
        seen = [(j + d) % 4 for d in range(3)]
        np.testing.assert_array_equal(spread[:, :, seen, j], kernels[:, :, :, j])
        assert not spread[:, :, (j + 3) % 4, j].any()
    np.testing.assert_array_equal(over_maps(kernels, 1)[:, :, 0], kernels.sum(axis=2))
    np.testing.assert_array_equal(over_maps(kernels, 3), kernels)


def test_random_filters_have_the_norms_of_the_fixed_ones_and_depend_on_seed_and_stage() -> None:
    fixed, drawn = stage_kernels("fixed", 3, 3, 0), stage_kernels("random", 3, 3, 0)
    for mine, other in zip(fixed, drawn, strict=True):
        assert mine.shape == other.shape
        np.testing.assert_allclose(*(np.sqrt((k.astype(float) ** 2).sum(axis=(0, 1, 2))) for k in (mine, other)), 1e-5)
    assert not np.array_equal(drawn[1], drawn[2])
    assert not np.array_equal(drawn[0], stage_kernels("random", 3, 3, 1)[0])
    np.testing.assert_array_equal(drawn[0], stage_kernels("random", 3, 3, 0)[0])
    assert random_like(np.zeros((3, 3, 1, 2)), np.random.default_rng(0)).max() == 0


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ("sobel", 'must be "fixed", "random", an array or a list of arrays, got \'sobel\''),
        (np.ones((3, 3, 16)), r"shape \(3, 3, depth, filters\), got float64 of shape \(3, 3, 16\)"),
        ([np.ones((3, 3, 1, 2))], "an array for each of the 3 stages, got 1"),
        (np.full((3, 3, 1, 2), np.nan), "filters must hold finite numbers that float32 can hold"),
        (np.full((3, 3, 1, 2), -1e39), "filters must hold finite numbers that float32 can hold"),
        (np.full((3, 3, 1, 2), 1j), "must be real numbers of shape .*, got complex128"),
        ([[1.0], [1.0, 2.0], [3.0]], r"filters\[0\] must be"),
        (np.broadcast_to(np.ones((3, 3, 1, 1)), (3, 3, 1, 1025)), "at most 1,024 filters, got 1,025; leave some out"),
        ([np.ones((3, 3, 1, 2))] * 2 + [np.ones((5, 5, 1, 2))], r"filters\[2\] must be"),
        ([np.ones((3, 3, 1, 2)), [[1.0], [1.0, 2.0]], np.ones((3, 3, 1, 2))], r"filters\[1\] must be an array of"),
    ],
    ids=["word", "axes", "stages", "NaN", "float64", "complex", "rows", "many", "size", "ragged"],
)
def test_other_filters_are_refused_by_name(filters: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stage_kernels(filters, 1, 3, 0)


def test_a_bank_needs_channels() -> None:
    with pytest.raises(ValueError, match="channels must be a positive int, got 0"):
        filter_bank(0)
