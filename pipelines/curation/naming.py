"""Names of a dataset's images: `<class>/C_T_N.png`, such as `Happy/Happy_team-a_00017.png`.

C is the class, which is the folder's name too; T the team or contributor; N the contributor's running number, padded
with zeros to five digits. A face gets its number when it is extracted and keeps it when it is labelled or relabelled:
only the class in the name changes. So T and N together mean the same face in every table that was ever written, and no
number is given twice, not even after an image was rejected.

Two folders are no classes: `unlabelled/` holds faces that wait for a label, `rejected/` what a labeller called no face.
"""

import re
from typing import NamedTuple

from pipelines.errors import UserError

UNLABELLED = "unlabelled"
REJECTED = "rejected"
NO_CLASSES = (UNLABELLED, REJECTED)

DIGITS = 5
# letters and digits of any script, without the underscore that divides the parts
_WORD = re.compile(r"[^\W_](?:[^\W_]|-)*")
_NAME = re.compile(r"(?P<class>[^_/]+)_(?P<contributor>[^_/]+)_(?P<number>\d{5,})\.png")


class ImageName(NamedTuple):
    """The parts of an image's name.

    Attributes:
        class_name: C, or `unlabelled` or `rejected`.
        contributor: T.
        number: N, from 1.
    """

    class_name: str
    contributor: str
    number: int

    @property
    def key(self) -> tuple[str, int]:
        """What stays the same when the label changes: contributor and number."""
        return self.contributor, self.number

    @property
    def base(self) -> str:
        """The file's name: `C_T_N.png`."""
        return f"{self.class_name}_{self.contributor}_{self.number:0{DIGITS}}.png"

    @property
    def file(self) -> str:
        """Its path in the dataset, with forward slashes: `C/C_T_N.png`."""
        return f"{self.class_name}/{self.base}"


def parse_name(name: str) -> ImageName | None:
    """The parts of `C_T_N.png`, without its folder; None if it is not such a name."""
    match = _NAME.fullmatch(name)
    if match is None or not (_WORD.fullmatch(match["class"]) and _WORD.fullmatch(match["contributor"])):
        return None
    parsed = ImageName(match["class"], match["contributor"], int(match["number"]))
    return parsed if parsed.number > 0 and parsed.base == name else None


def check_contributor(name: str) -> str:
    """Return the name of a team or contributor.

    Raises:
        UserError: it has other characters than letters, digits and '-', or starts with '-'.
    """
    return _check(name, "a contributor's name")


def check_class(name: str) -> str:
    """Return the name of a class.

    Raises:
        UserError: it has other characters than letters, digits and '-', starts with '-', or is `unlabelled` or
            `rejected`.
    """
    if name.casefold() in NO_CLASSES:
        raise UserError(f"no class may be called {name!r}: that folder is for images without a class")
    return _check(name, "a class name")


def _check(name: str, what: str) -> str:
    if not _WORD.fullmatch(name):
        raise UserError(f"{what} must consist of letters, digits and '-', and not start with '-', got {name!r}")
    return name
