"""Nothing that measures is trained on: the parts of every layout are disjoint, stratified and repeatable."""

from collections import Counter
from pathlib import Path

import pytest

from pipelines.data.drawn import DrawnFaces
from pipelines.data.parts import Parts, divide
from pipelines.data.sample import Sample, Source
from pipelines.data.source import open_source


def names(samples: list[Sample]) -> set[str]:
    return {sample.name for sample in samples}


def check_disjoint(parts: Parts) -> None:
    every = [sample.name for part in parts for sample in part]
    assert len(every) == len(set(every))


@pytest.mark.parametrize("layout", ["folder", "split", "zip", "csv"])
def test_parts_of_each_layout_are_disjoint_complete_and_have_every_class(layout: str, faces: dict[str, Path]) -> None:
    source = open_source(faces[layout])
    parts = divide(source, 0.2, 0.2, seed=0)
    check_disjoint(parts)
    assert set().union(*map(names, parts)) == names(list(source.samples))
    for part in parts:
        assert {sample.label for sample in part} == set(range(7))
    assert [len(part) for part in parts] == [67, 17, 21]


@pytest.mark.parametrize("layout", ["split", "zip", "csv"])
def test_a_test_split_of_the_data_stays_the_test(layout: str, faces: dict[str, Path]) -> None:
    source = open_source(faces[layout])
    parts = divide(source, 0.2, 0.5, seed=3)
    assert parts.test == [sample for sample in source.samples if sample.split == "test"]
    assert {sample.split for sample in [*parts.train, *parts.validation]} == {"train"}


class Listed:
    """A source of samples without images."""

    skipped = ()
    left_out = ()

    def __init__(self, **counts: int) -> None:
        self.class_names = ("a", "b")
        self.samples = tuple(
            Sample(f"{split}/{i}", int(i % 4 == 0), split) for split, count in counts.items() for i in range(count)
        )


def listed(**counts: int) -> Source:
    return Listed(**counts)  # type: ignore[return-value]  # nothing is read


def test_a_validation_split_of_the_data_stays_the_validation() -> None:
    parts = divide(listed(train=40, validation=20, test=20), 0.3, 0.3, seed=0)
    assert [len(part) for part in parts] == [40, 20, 20]
    assert {sample.split for sample in parts.validation} == {"validation"}


def test_training_images_alone_leave_the_test_empty() -> None:
    parts = divide(listed(train=40), 0.25, 0.3, seed=0)
    assert [len(part) for part in parts] == [30, 10, 0]


def test_each_class_keeps_its_share() -> None:
    parts = divide(listed(all=400), 0.15, 0.15, seed=0)
    check_disjoint(parts)
    for part in parts:
        shares = Counter(sample.label for sample in part)
        assert shares[1] / len(part) == pytest.approx(0.25, abs=0.02)


def test_the_limit_bounds_training_and_validation_together_and_leaves_the_test_alone() -> None:
    source = DrawnFaces(350, size=8)
    whole, limited = divide(source, 0.2, 0.2, seed=0), divide(source, 0.2, 0.2, seed=0, limit=70)
    assert len(limited.train) + len(limited.validation) == 70
    assert limited.test == whole.test
    assert {sample.label for sample in limited.train} == set(range(7))
    assert {sample.label for sample in limited.validation} == set(range(7))
    unlimited = divide(source, 0.2, 0.2, seed=0, limit=10_000)
    assert unlimited == whole


def test_the_limit_holds_for_a_validation_split_too() -> None:
    parts = divide(listed(train=400, validation=100, test=50), 0.2, 0.2, seed=0, limit=60)
    assert len(parts.train) <= 60
    assert len(parts.validation) <= 60
    assert len(parts.test) == 50


def test_the_seed_decides_the_parts() -> None:
    source = listed(all=200)
    assert divide(source, 0.2, 0.2, seed=1) == divide(source, 0.2, 0.2, seed=1)
    assert divide(source, 0.2, 0.2, seed=1) != divide(source, 0.2, 0.2, seed=2)
