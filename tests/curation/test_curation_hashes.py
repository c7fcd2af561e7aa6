"""Near duplicates are those that comparing every pair finds."""

import cv2
import imagehash
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipelines.curation.hashes import (
    distance,
    hash_codes,
    members,
    near_duplicates,
    near_pairs,
    perceptual_hash,
)  # fmt: skip
from pipelines.data.errors import DataError

SEEDS = st.integers(0, 2**32)


def face(size: int = 48) -> np.ndarray:
    image = np.full((size, size), 90, np.uint8)
    cv2.circle(image, (size // 2, size // 2), size // 3, 200, -1)
    cv2.circle(image, (size // 3, size // 3), size // 12, 20, -1)
    cv2.ellipse(image, (size // 2, 2 * size // 3), (size // 6, size // 12), 0, 0, 180, 40, 2)
    return image


def drawn_hashes(seed: int, count: int, spread: int) -> list[str]:
    """Codes around a few centres, so that there is every distance from 0 to about 2 x `spread`."""
    rng = np.random.default_rng(seed)
    centres = rng.integers(0, 2**64, 4, dtype=np.uint64)
    codes = centres[rng.integers(0, 4, count)]
    for _ in range(spread):
        codes = codes ^ (np.uint64(1) << rng.integers(0, 64, count).astype(np.uint64))
    return [f"{code:016x}" for code in codes.tolist()]


def grouped_by_loops(hashes: list[str], max_distance: int) -> list[list[int]]:
    group = list(range(len(hashes)))
    for i in range(len(hashes)):
        for j in range(i):
            if (int(hashes[i], 16) ^ int(hashes[j], 16)).bit_count() <= max_distance:
                group = [group[j] if member == group[i] else member for member in group]
    found = [[i for i in range(len(hashes)) if group[i] == number] for number in range(len(hashes))]
    return sorted(members for members in found if len(members) > 1)


@given(seed=SEEDS, count=st.integers(0, 60), spread=st.integers(0, 12), max_distance=st.integers(0, 64))
def test_groups_are_those_of_comparing_every_pair(seed: int, count: int, spread: int, max_distance: int) -> None:
    hashes = drawn_hashes(seed, count, spread)
    assert near_duplicates(hashes, max_distance) == grouped_by_loops(hashes, max_distance)


@given(seed=SEEDS, count=st.integers(0, 60), spread=st.integers(1, 12), max_distance=st.integers(0, 64))
def test_every_near_pair_is_found_once(seed: int, count: int, spread: int, max_distance: int) -> None:
    codes = np.unique(hash_codes(drawn_hashes(seed, count, spread)))
    found = [
        pair for block in near_pairs(codes, max_distance) for pair in zip(*(a.tolist() for a in block), strict=True)
    ]
    expected = []
    for right in range(len(codes)):
        for left in range(right):
            bits = (int(codes[left]) ^ int(codes[right])).bit_count()
            if bits <= max_distance:
                expected.append((left, right, bits))
    assert sorted(found) == sorted(expected)


def test_a_chain_is_one_group_and_equal_hashes_are_at_distance_0() -> None:
    chain = ["0000000000000000", "ffffffffffffffff", "000000000000000f", "00000000000000ff", "ffffffffffffffff"]
    assert near_duplicates(chain, 4) == [[0, 2, 3], [1, 4]]
    assert near_duplicates(chain, 3) == [[1, 4]]
    assert near_duplicates(chain, 0) == [[1, 4]]
    assert near_duplicates(chain, 64) == [[0, 1, 2, 3, 4]]
    assert near_duplicates([], 5) == []


def test_thousands_of_hashes_that_are_all_near_are_one_group() -> None:
    hashes = [f"{number:016x}" for number in range(4096)]
    assert near_duplicates(hashes, 1) == [list(range(4096))]


def test_members_are_listed_for_numbers_that_occur_twice() -> None:
    assert members(np.array([7, 3, 7, 1, 3, 7])) == [[0, 2, 5], [1, 4]]
    assert members(np.array([], np.int64)) == []


def test_the_distance_counts_the_bits_that_differ() -> None:
    assert distance("0000000000000000", "0000000000000000") == 0
    assert distance("ffffffffffffffff", "0000000000000000") == 64
    assert distance("8000000000000001", "0000000000000003") == 2


@pytest.mark.parametrize(
    "wrong", ["", "0", "0" * 17, "g" * 16, "+" + "0" * 15, "0_0" + "0" * 13, " " * 16, "\u0660" * 16]
)
def test_what_is_no_hash_is_refused(wrong: str) -> None:
    with pytest.raises(DataError, match="a perceptual hash must be 16 hex digits, got"):
        near_duplicates(["0" * 16, wrong], 4)


@pytest.mark.parametrize("wrong", [-1, 65])
def test_a_distance_out_of_range_is_refused(wrong: int) -> None:
    with pytest.raises(DataError, match=f"max_distance must lie between 0 and 64, got {wrong}"):
        near_duplicates(["0" * 16], wrong)


def test_the_perceptual_hash_survives_what_keeps_the_picture() -> None:
    image = face()
    mine = perceptual_hash(image)
    assert mine == str(imagehash.phash(Image.fromarray(image)))
    assert perceptual_hash(image[:, :, None]) == mine
    assert perceptual_hash(np.repeat(image[:, :, None], 3, axis=2)) == mine
    jpeg = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_GRAYSCALE)
    for same in (jpeg, face(96), (image // 2 + 60).astype(np.uint8)):
        assert distance(mine, perceptual_hash(same)) <= 4
    for other in (image[::-1], np.ascontiguousarray(image.T[::-1])):
        assert distance(mine, perceptual_hash(other)) > 8


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((4, 4), np.float32), np.zeros(4, np.uint8), np.zeros((4, 4, 2), np.uint8), np.zeros((0, 4), np.uint8)],
)
def test_what_is_no_picture_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"pixels must be uint8 of shape .*, got"):
        perceptual_hash(wrong)
