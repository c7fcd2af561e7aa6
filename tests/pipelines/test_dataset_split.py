"""No scene, copy or near-duplicate is in two parts; the command writes the parts and says how near the shares are."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from face_sets import make_dataset
from tiny import Command

from pipelines.curation.manifest import Manifest
from pipelines.curation.splitting import divide_dataset, find_groups
from pipelines.curation.table import Row
from pipelines.errors import UserError


def row(number: int, **known: object) -> Row:
    return replace(Row(f"a/a_t_{number:05}.png", "a", "t", number), **known)  # type: ignore[arg-type]


def together(*rows: Row) -> list[list[int]]:
    groups = find_groups(rows, 4)
    return sorted(
        [row.number for row, other in zip(rows, groups, strict=True) if other == group] for group in set(groups)
    )


def test_scenes_copies_and_near_duplicates_stay_together_also_through_others() -> None:
    assert together(
        row(1, film="f", scene=0),
        row(2, film="f", scene=0),
        row(3, film="f", scene=1, sha256="a" * 64),
        row(4, film="g", scene=0, sha256="a" * 64, phash="0" * 16),
        row(5, film="g", scene=1, phash="0" * 15 + "f"),
        row(6, film="g", scene=2, phash="f" * 16),
        row(7),
        row(8),
    ) == [[1, 2], [3, 4, 5], [6], [7], [8]]


def test_a_film_with_an_unknown_scene_stays_whole() -> None:
    assert together(
        row(1, film="f", scene=0), row(2, film="f", scene=1), row(3, film="f"), row(4, film="g", scene=1)
    ) == [
        [1, 2, 3],
        [4],
    ]


CLASSES = ["Happy", "Sad", "Angry"] * 40


def test_the_command_writes_parts_and_no_scene_is_in_two(command: Command, tmp_path: Path) -> None:
    make_dataset(tmp_path, [*CLASSES, "unlabelled", "rejected"], per_scene=4)
    done = command("dataset", "split", tmp_path, "--ratios", 70, 20, 10)
    assert done.status == 0, done.err
    rows = Manifest.read(tmp_path).rows
    scenes: dict[int | None, set[str | None]] = {}
    for entry in rows[: len(CLASSES)]:
        scenes.setdefault(entry.scene, set()).add(entry.split)
    assert all(len(parts) == 1 for parts in scenes.values())
    assert [entry.split for entry in rows[len(CLASSES) :]] == [None, None]
    counts = {part: sum(entry.split == part for entry in rows) for part in ("train", "validation", "test")}
    assert counts == {"train": 84, "validation": 24, "test": 12}
    assert "Happy" in done.out
    assert "30 groups that stay whole, the largest of 4 images" in done.out
    first = (tmp_path / "manifest.csv").read_bytes()
    assert command("dataset", "split", "--ratios", "70/20/10", tmp_path).status == 0
    assert (tmp_path / "manifest.csv").read_bytes() == first
    assert command("dataset", "split", tmp_path, "--seed", 1).status == 0
    assert (tmp_path / "manifest.csv").read_bytes() != first


def test_two_ratios_mean_train_and_test_and_plain_divides_scenes(command: Command, tmp_path: Path) -> None:
    make_dataset(tmp_path, CLASSES, per_scene=len(CLASSES))
    done = command("dataset", "split", tmp_path, "--ratios", 80, 20)
    assert "without any image: Angry (test), Happy (test), Sad (test); label more scenes" in done.err
    done = command("dataset", "split", tmp_path, "--ratios", "80,20", "--plain")
    assert "no share is more than 0.0 points" in done.out
    rows = Manifest.read(tmp_path).rows
    for name in ("Happy", "Sad", "Angry"):
        assert sum(entry.split == "test" for entry in rows if entry.class_name == name) == 8
    assert {entry.split for entry in rows} == {"train", "test"}


def test_the_order_of_rows_does_not_matter(tmp_path: Path) -> None:
    manifest = make_dataset(tmp_path, CLASSES, per_scene=3)
    turned = Manifest(tmp_path, manifest.rows[::-1])
    for each in (manifest, turned):
        divide_dataset(each, (70, 15, 15), plain=False, near=4, seed=5)
    assert manifest.rows == turned.rows[::-1]


def test_deviations_are_those_of_the_counts(tmp_path: Path) -> None:
    manifest = make_dataset(tmp_path, ["Happy"] * 9 + ["Sad"] * 5, per_scene=2)
    division = divide_dataset(manifest, (50, 50), plain=False, near=4, seed=0)
    for number, name in enumerate(division.classes):
        counts = [
            sum(row.class_name == name and row.split == part for row in manifest.rows) for part in ("train", "test")
        ]
        assert division.counts[number].tolist() == counts
        farthest = max(abs(100 * count / sum(counts) - 50) for count in counts)
        np.testing.assert_allclose(division.deviations()[number], farthest)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--ratios", 70), "two or three positive numbers"),
        (("--ratios", 70, 20, 5, 5), "two or three positive numbers"),
        (("--ratios", 70, 0, 30), "two or three positive numbers"),
        (("--ratios", "most"), "the ratios must be numbers, such as 70 20 10, got most"),
        (("elsewhere",), "one dataset is divided at a time"),
    ],
)
def test_ratios_that_make_no_sense_are_refused_and_nothing_is_written(
    command: Command, tmp_path: Path, arguments: tuple[object, ...], message: str
) -> None:
    make_dataset(tmp_path, ["Happy", "Sad"])
    before = (tmp_path / "manifest.csv").read_bytes()
    done = command("dataset", "split", tmp_path, *arguments)
    assert (done.status, message in done.err) == (1, True), done.err
    assert (tmp_path / "manifest.csv").read_bytes() == before


def test_a_dataset_without_labels_cannot_be_divided(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="has no labelled images to divide"):
        divide_dataset(make_dataset(tmp_path, ["unlabelled"]), (80, 20), plain=False, near=4, seed=0)
