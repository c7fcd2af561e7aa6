"""Changes that keep a picture keep its likeness, and other pictures have none, however alike their hashes are."""

import runpy
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipelines.curation.hashes import distance, hash_codes, near_pairs, perceptual_hash
from pipelines.curation.likeness import ALIKE, CANDIDATE_BITS, NEAR_BITS, details, likeness
from pipelines.data.drawn import DrawnFaces
from pipelines.data.source import open_source

KEEPING: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "JPEG": lambda image: cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], 0),
    "half size": lambda image: cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "double size": lambda image: cv2.resize(image, None, fx=2, fy=2),
    "brighter": lambda image: cv2.add(image, 15),
    "less contrast": lambda image: cv2.convertScaleAbs(image, alpha=0.8),
    "in colour": lambda image: np.repeat(image[:, :, None], 3, axis=2),
}


def near(first: np.ndarray, second: np.ndarray) -> bool:
    apart = distance(perceptual_hash(first), perceptual_hash(second))
    return apart <= CANDIDATE_BITS and likeness(details(first), details(second)) >= ALIKE


@pytest.fixture(scope="module", params=["drawn", "fer2013"])
def faces(request: pytest.FixtureRequest) -> list[np.ndarray]:
    """Different faces of 48x48 pixels, drawn or photographed."""
    if request.param == "drawn":
        source = DrawnFaces(600, size=48)
        return [source.read(sample) for sample in source.samples]
    archive = Path(request.getfixturevalue("shared_data")) / "fer2013" / "archive.zip"
    if not archive.exists():
        pytest.skip(f"{archive} is not there")
    photographs = open_source(archive)
    chosen = np.random.default_rng(0).permutation(len(photographs.samples))[:600]
    return [photographs.read(photographs.samples[place]) for place in chosen]


@pytest.mark.parametrize("change", KEEPING)
def test_a_picture_is_found_again_after_what_keeps_it(change: str, faces: list[np.ndarray]) -> None:
    assert np.mean([near(image, KEEPING[change](image)) for image in faces[:40]]) >= 0.95


def test_a_picture_that_moved_or_was_cropped_a_little_is_mostly_found(faces: list[np.ndarray]) -> None:
    for change in (lambda image: image[:, [0, *range(47)]], lambda image: cv2.resize(image[1:-1, 1:-1], (48, 48))):
        assert np.mean([near(image, change(image)) for image in faces[:60]]) >= 0.6


def test_different_pictures_are_not_alike_although_their_hashes_are() -> None:
    """Of 1,000 drawn faces, each drawn by itself, as in `scratchnet demo`."""
    source = DrawnFaces(1000, size=48, seed=0)
    images = [source.read(sample) for sample in source.samples]
    codes = hash_codes([perceptual_hash(image) for image in images])
    blocks = list(zip(*near_pairs(codes, CANDIDATE_BITS), strict=True))
    pairs = list(zip(*(np.concatenate(part).tolist() for part in blocks), strict=True))
    assert len(pairs) > 30, "the hash accuses some"
    assert any(bits <= NEAR_BITS for _, _, bits in pairs), "even where it is sure"
    shown = {place: details(images[place]) for pair in pairs for place in pair[:2]}
    assert max(likeness(shown[left], shown[right]) for left, right, _ in pairs) < ALIKE


@pytest.mark.parametrize("size", [16, 32, 96])
def test_no_two_faces_of_any_size_are_alike(size: int) -> None:
    source = DrawnFaces(60, size=size)
    shown = [details(source.read(sample)) for sample in source.samples]
    assert max(likeness(one, other) for one, other in combinations(shown, 2)) < ALIKE


def test_likeness_does_not_depend_on_the_order_and_pictures_without_details_have_none() -> None:
    rng = np.random.default_rng(0)
    one, other = (details(rng.integers(0, 256, (40, 30), np.uint8)) for _ in range(2))
    assert likeness(one, other) == likeness(other, one)
    assert likeness(one, one) == pytest.approx(1)
    flat = details(np.full((48, 48), 80, np.uint8))
    assert likeness(flat, flat) == likeness(flat, one) == 0


def test_the_benchmark_counts_what_is_found_again(capsys: pytest.CaptureFixture[str]) -> None:
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "near_duplicates.py"
    measure = runpy.run_path(str(path))["measure"]
    source = DrawnFaces(12, size=48)
    measure([source.read(sample) for sample in source.samples], 4)
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("12 images, 66 pairs; recall of 4 changed images")
    (ours,) = (line for line in printed if "likeness" in line)
    *recalls, pairs = ours.split()[-10:]
    assert all(float(recall) == 1 for recall in recalls[:6])
    assert pairs == "0"
