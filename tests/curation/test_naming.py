"""Every image's name says its class, its contributor and its number, and nothing else does."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.curation.naming import ImageName, check_class, check_contributor, parse_name
from pipelines.errors import UserError

words = st.from_regex(r"[A-Za-z0-9ÄéЖ悲][A-Za-z0-9ÄéЖ悲-]{0,8}", fullmatch=True)


@given(words, words, st.integers(1, 10**9))
def test_a_name_is_read_as_it_was_written(class_name: str, contributor: str, number: int) -> None:
    name = ImageName(class_name, contributor, number)
    assert parse_name(name.base) == name
    assert name.file == f"{class_name}/{name.base}"


def test_numbers_are_padded_to_five_digits_and_may_be_longer() -> None:
    assert ImageName("Happy", "team-a", 17).file == "Happy/Happy_team-a_00017.png"
    assert ImageName("Happy", "a", 123456).base == "Happy_a_123456.png"


@pytest.mark.parametrize(
    "name",
    [
        "Happy_a_17.png",
        "Happy_a_00000.png",
        "Happy_a_000017.png",
        "Happy_00017.png",
        "Happy_a_b_00017.png",
        "_a_00017.png",
        "Happy_a_00017.jpg",
        "Happy_a_00017.PNG",
        "Ha ppy_a_00017.png",
        "-x_a_00001.png",
        "Happy/H_a_00001.png",
    ],
)
def test_other_names_are_none(name: str) -> None:
    assert parse_name(name) is None


@pytest.mark.parametrize("name", ["", "a_b", "a b", "../x", "-a", "a.b"])
def test_names_with_other_characters_are_refused(name: str) -> None:
    with pytest.raises(UserError, match="letters, digits and '-'"):
        check_class(name)
    with pytest.raises(UserError, match="a contributor's name must"):
        check_contributor(name)


@pytest.mark.parametrize("name", ["unlabelled", "Rejected"])
def test_the_folders_without_class_are_no_classes(name: str) -> None:
    with pytest.raises(UserError, match="no class may be called"):
        check_class(name)
