"""Of duplicates the sharpest stays, and no two of those that stay are duplicates."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.curation.hashes import distance
from pipelines.movies.duplicates import Candidate, covered_by


def _candidate(bits: int, sharpness: float, fixed: bool = False, sha: str = "") -> Candidate:
    return Candidate(sha or f"{bits}/{sharpness}", f"{bits:016x}", sharpness, fixed)


# few different bits, so that there are many near ones
candidates = st.builds(
    _candidate, st.integers(0, 2**9 - 1), st.integers(0, 5).map(float), st.booleans(), st.sampled_from(["", "a", "b"])
)


@given(st.lists(candidates, max_size=40), st.integers(0, 4))
def test_every_picture_stays_or_has_a_duplicate_that_stays_and_is_fixed_or_sharper(
    given_candidates: list[Candidate], near: int
) -> None:
    result = covered_by(given_candidates, near)
    kept = [i for i, by in enumerate(result) if by is None]
    for i, by in enumerate(result):
        one = given_candidates[i]
        if by is None:
            continue
        other = given_candidates[by]
        assert not one.fixed
        assert by in kept
        assert one.sha256 == other.sha256 or distance(one.phash, other.phash) <= near
        assert other.fixed or (-other.sharpness, by) < (-one.sharpness, i)
    free = [i for i in kept if not given_candidates[i].fixed]
    for i in free:
        for j in kept:
            one, other = given_candidates[i], given_candidates[j]
            assert i == j or (one.sha256 != other.sha256 and distance(one.phash, other.phash) > near)


def test_the_sharpest_of_a_group_stays() -> None:
    assert covered_by([_candidate(0, 1), _candidate(1, 3), _candidate(3, 2)], 2) == [1, None, 1]


def test_a_chain_of_small_changes_does_not_take_what_has_changed_much() -> None:
    chain = [_candidate(2**n - 1, 10 - n) for n in range(10)]  # each differs from the next in one bit
    assert [i for i, by in enumerate(covered_by(chain, 4)) if by is None] == [0, 5]


def test_what_the_dataset_holds_stays_even_if_it_is_less_sharp() -> None:
    assert covered_by([_candidate(0, 9), _candidate(1, 0, fixed=True)], 4) == [1, None]


def test_many_pictures_are_compared_exactly() -> None:
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 2**62, 3000)
    pictures = [_candidate(int(code), float(i % 7)) for i, code in enumerate([*codes, *(codes ^ 1)])]
    result = covered_by(pictures, 1)
    assert sum(by is None for by in result) == 3000
