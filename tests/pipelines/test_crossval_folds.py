"""Folds: every image outside the test part is held out once, with its scene, and every class in its share."""

import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from face_sets import make_dataset
from hypothesis import given
from hypothesis import strategies as st

from pipelines.crossval.folds import Folds, lacking, make_folds
from pipelines.curation.enlarging import enlarge
from pipelines.curation.manifest import Manifest
from pipelines.curation.naming import parse_name
from pipelines.curation.provenance import read_origins
from pipelines.data.augmentation import Augmentation
from pipelines.data.drawn import DrawnFaces
from pipelines.data.errors import DataError
from pipelines.data.parts import divide
from pipelines.data.sample import Sample, Source
from pipelines.data.source import open_source

NAMES = ("angry", "happy", "sad")


class Listed:
    """A source of samples without images."""

    skipped = ()
    left_out = ()
    class_names = NAMES

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.samples = tuple(samples)


def listed(
    labels: Sequence[int], groups: Sequence[int | None] | None = None, splits: Sequence[str] | None = None
) -> Source:
    groups = groups or [None] * len(labels)
    splits = splits or ["train"] * len(labels)
    samples = [
        Sample(f"{number}.png", label, split, group)
        for number, (label, group, split) in enumerate(zip(labels, groups, splits, strict=True))
    ]
    return Listed(samples)  # type: ignore[return-value]  # nothing is read


def names(samples: Sequence[Sample]) -> set[str]:
    return {sample.name for sample in samples}


def check_whole(folds: Folds, source: Source) -> None:
    every = [sample.name for part in (*folds.held_out, folds.test) for sample in part]
    assert sorted(every) == sorted(names(source.samples))


@given(
    counts=st.lists(st.integers(5, 40), min_size=3, max_size=3),
    folds=st.integers(2, 5),
    seed=st.integers(0, 5),
)
def test_every_image_is_held_out_once_and_every_class_keeps_its_share(counts: list[int], folds: int, seed: int) -> None:
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(3), counts)).tolist()
    source = listed(labels)
    made = make_folds(source, folds, 0.2, seed)
    assert len(made.held_out) == folds
    assert not made.grouped
    check_whole(made, source)
    for part in made.held_out:
        held = Counter(sample.label for sample in part)
        assert all(abs(held[label] - count / folds) < 1 for label, count in enumerate(counts))


@given(
    groups=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 6)), min_size=30, max_size=60),
    folds=st.integers(2, 4),
    seed=st.integers(0, 3),
)
def test_images_of_one_scene_are_in_one_fold(groups: list[tuple[int, int]], folds: int, seed: int) -> None:
    groups = [*groups, *((label, 2) for label in range(3) for _ in range(folds))]  # every class in several scenes
    labels = [label for label, size in groups for _ in range(size)]
    scenes = [number for number, (_, size) in enumerate(groups) for _ in range(size)]
    order = np.random.default_rng(seed).permutation(len(labels))
    source = listed([labels[i] for i in order], [scenes[i] for i in order])
    made = make_folds(source, folds, 0.2, seed)
    assert made.grouped
    check_whole(made, source)
    fold_of = {sample.name: number for number, part in enumerate(made.held_out) for sample in part}
    for scene in range(len(groups)):
        assert len({fold_of[sample.name] for sample in source.samples if sample.group == scene}) == 1


def test_an_image_of_which_no_scene_is_known_is_a_group_by_itself() -> None:
    groups = [0, 0, 0, 1, 1, 1, *[None] * 12]
    made = make_folds(listed([0, 1, 2] * 6, groups), 3, 0.2, seed=0)
    assert made.grouped
    unknown = [{sample.name for sample in part if sample.group is None} for part in made.held_out]
    assert all(unknown)
    assert sum(map(len, unknown)) == 12


@pytest.mark.parametrize("layout", ["folder", "split"])
def test_the_test_part_is_what_a_training_sets_aside(layout: str, faces: dict[str, Path]) -> None:
    source = open_source(faces[layout])
    made = make_folds(source, 4, 0.2, seed=3)
    assert list(made.test) == divide(source, 0.3, 0.2, seed=3).test
    check_whole(made, source)


def test_training_and_validation_images_make_the_folds_together() -> None:
    splits = ["train", "validation", "test"] * 20
    made = make_folds(listed([0] * 20 + [1] * 20 + [2] * 20, splits=splits), 2, 0.5, seed=0)
    assert len(made.test) == 20
    assert {sample.split for sample in made.test} == {"test"}
    assert {sample.split for part in made.held_out for sample in part} == {"train", "validation"}


def test_a_dataset_that_is_divided_already_still_knows_its_scenes(tmp_path: Path) -> None:
    make_dataset(tmp_path, ["happy", "sad", "angry"] * 30, per_scene=5)
    manifest = Manifest.read(tmp_path)
    parts = ("train", "validation", "test")
    manifest.rows = [replace(row, split=parts[row.scene % 3]) for row in manifest.rows if row.scene is not None]
    manifest.write()
    source = open_source(tmp_path)
    made = make_folds(source, 3, 0.1, seed=0)
    assert made.grouped
    assert len(made.test) == 30
    scenes = {row.file: row.scene for row in manifest.rows}
    held = [{scenes[sample.name] for sample in part} for part in made.held_out]
    assert sum(map(len, held)) == len(set.union(*held)) == 12


def test_the_limit_bounds_the_folds_together_and_leaves_the_test_alone() -> None:
    source = DrawnFaces(350, size=8)
    whole, limited = (make_folds(source, 4, 0.2, seed=0, limit=limit) for limit in (None, 70))
    assert sum(map(len, limited.held_out)) == 70
    assert limited.test == whole.test
    assert all({sample.label for sample in part} == set(range(7)) for part in limited.held_out)


def test_the_seed_decides_the_folds() -> None:
    source = listed([0, 1, 2] * 20)
    assert make_folds(source, 4, 0.2, seed=1) == make_folds(source, 4, 0.2, seed=1)
    assert make_folds(source, 4, 0.2, seed=1) != make_folds(source, 4, 0.2, seed=2)


def test_where_nothing_is_chosen_the_held_out_fold_validates() -> None:
    made = make_folds(listed([0, 1, 2] * 20), 4, 0.2, seed=0)
    for fold in range(4):
        parts = made.parts(fold, None, 0, NAMES)
        assert parts.validation == list(made.held_out[fold])
        assert parts.train == made.others(fold)
        assert not names(parts.train) & names(parts.validation)


@pytest.mark.parametrize("groups", [None, [number // 4 for number in range(120)]])
def test_where_something_is_chosen_the_held_out_fold_is_in_no_part(groups: list[int] | None) -> None:
    source = listed([number // 4 % 3 for number in range(120)], groups)
    made = make_folds(source, 4, 0.2, seed=0)
    for fold in range(4):
        parts = made.parts(fold, 0.25, 0, NAMES)
        held_out = names(made.held_out[fold])
        assert not held_out & (names(parts.train) | names(parts.validation))
        assert not names(parts.train) & names(parts.validation)
        assert names(parts.train) | names(parts.validation) == names(made.others(fold))
        assert len(parts.validation) == pytest.approx(0.25 * len(made.others(fold)), abs=4)
        assert {sample.label for sample in parts.train} == {sample.label for sample in parts.validation} == {0, 1, 2}
        if groups:
            assert not {s.group for s in parts.train} & {s.group for s in parts.validation}


@pytest.mark.parametrize(
    ("labels", "groups", "folds", "limit", "sentence"),
    [
        ([0, 1, 2] * 4, None, 1, None, "2 folds or more, got 1"),
        ([0] * 9 + [1] * 9 + [2] * 3, None, 4, None,
         "the class sad has 3 images outside the test part, too few for 4 folds; pass --folds 3 or add images of it"),
        ([0] * 9 + [1] * 9 + [2], None, 4, None, "the class sad has 1 image .*; add images of it$"),
        ([0] * 9 + [1] * 9, None, 4, None, "the class sad has 0 images"),
        ([0, 1, 2] * 9, None, 4, 9, "too few for 4 folds; pass --folds 3 or raise the limit of 9"),
        ([0] * 8 + [1] * 8 + [2] * 8, [*range(16), *[16] * 8], 2, None,
         "all 8 images of the class sad belong together.*add images of it from other scenes"),
        ([0, 1, 2] * 8, [number % 3 for number in range(3)] * 8, 2, None, "belong together"),
        ([0, 1, 2] * 8, [number // 8 for number in range(24)], 4, None,
         "3 scenes or other groups .* too few for 4 folds; pass --folds 3 or add images of other scenes"),
        ([], None, 2, None, "nothing to make folds of"),
    ],
)  # fmt: skip
def test_too_little_for_so_many_folds_is_named_with_a_remedy(
    labels: list[int], groups: list[int | None] | None, folds: int, limit: int | None, sentence: str
) -> None:
    with pytest.raises(DataError, match=sentence):
        make_folds(listed(labels, groups), folds, 0.2, seed=0, limit=limit)


def test_an_inner_validation_that_would_take_a_class_away_is_named() -> None:
    # two scenes of the class sad: one is held out, and the other cannot both teach and validate
    labels, groups = [0, 1] * 8 + [2] * 8, [*range(16), *[16] * 4, *[17] * 4]
    made = make_folds(listed(labels, groups), 2, 0.2, seed=0)
    with pytest.raises(DataError, match="nothing to learn the class sad from: the images to choose an epoch"):
        made.parts(0, 0.9, 0, NAMES)


def test_a_fold_that_holds_out_no_image_of_a_class_is_known() -> None:
    labels, groups = [0, 1] * 12 + [2] * 8, [*range(24), *[24] * 4, *[25] * 4]
    made = make_folds(listed(labels, groups), 3, 0.2, seed=0)
    (missing,) = lacking(made, NAMES)
    assert missing[1] == "sad"
    assert not any(sample.label == 2 for sample in made.held_out[missing[0] - 1])
    assert lacking(make_folds(listed([0, 1, 2] * 9), 3, 0.2, seed=0), NAMES) == []


def test_equal_images_are_in_one_fold_with_whatever_belongs_to_either() -> None:
    # 0 and 1 are of one scene, 1 and 20 are equal, and so are 30 to 34; 40 and 41 cannot be read
    groups: list[int | None] = [7, 7, *[None] * 58]
    same = {1: "a", 20: "a", **dict.fromkeys(range(30, 35), "b"), 40: None, 41: None}
    source = listed([number % 3 for number in range(60)], groups)

    def contents(samples: Sequence[Sample]) -> list[str | None]:
        numbers = [int(sample.name.removesuffix(".png")) for sample in samples]
        return [same.get(number, str(number)) for number in numbers]

    for seed in range(5):
        made = make_folds(source, 3, 0.2, seed, contents=contents)
        assert made.grouped
        check_whole(made, source)
        fold_of = {sample.name: number for number, part in enumerate(made.held_out) for sample in part}
        fold_of |= {sample.name: -1 for sample in made.test}
        held = [{fold_of[f"{number}.png"] for number in tied} - {-1} for tied in ([0, 1, 20], range(30, 35))]
        assert all(len(folds) <= 1 for folds in held)
        for fold in range(3):
            parts = made.parts(fold, 0.25, seed, NAMES)
            sides = [{contents([sample])[0] for sample in side} - {None} for side in (parts.train, parts.validation)]
            assert not sides[0] & sides[1]
    plain = listed([number % 3 for number in range(60)])
    alone = make_folds(plain, 3, 0.2, 0, contents=lambda samples: [sample.name for sample in samples])
    assert alone == make_folds(plain, 3, 0.2, 0), "where no two are equal, nothing is tied"


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("limit", [None, 24])
def test_augmented_images_are_never_held_out_and_never_teach_what_their_original_judges(
    zipped: bool, limit: int | None, tmp_path: Path
) -> None:
    make_dataset(tmp_path / "small", ["happy", "sad", "angry"] * 16)
    manifest = Manifest.read(tmp_path / "small")
    parts = ("train", "train", "validation", "test")
    manifest.rows = [replace(row, split=parts[number // 3 % 4]) for number, row in enumerate(manifest.rows)]
    manifest.write()
    enlarge(tmp_path / "small", tmp_path / "large", 2, Augmentation(horizontal_flip=True, rotation=9))
    path = tmp_path / "large"
    if zipped:
        path = Path(shutil.make_archive(str(tmp_path / "large"), "zip", path))
    origins = read_origins(tmp_path / "large")
    source = open_source(path)
    assert sum(sample.augmented for sample in source.samples) == len(origins) == 48

    def key(sample: Sample) -> tuple[str, int]:
        name = parse_name(sample.name.rpartition("/")[2])
        assert name is not None
        return origins.get(name.key, name.key)

    made = make_folds(source, 3, 0.1, seed=0, limit=limit, contents=lambda samples: [one.name for one in samples])
    held = [sample for part in made.held_out for sample in part]
    assert len(held) == (limit or 36)
    assert not any(sample.augmented for sample in (*held, *made.test))
    for fold in range(3):
        for inner in (None, 0.25):
            parts_of = made.parts(fold, inner, 0, source.class_names)
            assert any(sample.augmented for sample in parts_of.train)
            assert not any(sample.augmented for sample in parts_of.validation)
            judged = {key(sample) for sample in (*made.held_out[fold], *parts_of.validation)}
            assert not judged & {key(sample) for sample in parts_of.train}
    assert {key(one) for part in made.augmented for one in part} <= {key(one) for one in held}
