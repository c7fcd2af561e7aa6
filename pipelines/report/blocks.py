"""What a page is made of. Sections are built of these in Python; the template alone knows HTML."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, TypeAlias


@dataclass(frozen=True)
class Text:
    """A paragraph of plain text."""

    kind: ClassVar[str] = "text"
    text: str


@dataclass(frozen=True)
class Remark:
    """Something the reader must know before believing the figures, or what is missing and which command brings it."""

    kind: ClassVar[str] = "remark"
    text: str
    command: str = ""


@dataclass(frozen=True)
class Tile:
    """One figure that the reader is to remember.

    Attributes:
        value: the figure as text.
        name: what it is.
        detail: on what it was measured, for example.
    """

    value: str
    name: str
    detail: str = ""


@dataclass(frozen=True)
class Tiles:
    """Figures up front."""

    kind: ClassVar[str] = "tiles"
    tiles: Sequence[Tile]


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        caption: what it shows.
        headings: one for each column.
        rows: cells as text, each row as long as the headings.
        words: how many columns from the left are text; the others are figures, which stand on the right.
    """

    kind: ClassVar[str] = "table"
    caption: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1

    def __post_init__(self) -> None:
        """Refuse rows that do not fit the headings."""
        for row in self.rows:
            if len(row) != len(self.headings):
                raise ValueError(f"{self.caption}: a row of {len(row)} cells below {len(self.headings)} headings")


@dataclass(frozen=True)
class Facts:
    """Names and values, one below the other."""

    kind: ClassVar[str] = "facts"
    entries: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Groups:
    """Facts in groups, which stand in columns where there is room.

    Attributes:
        groups: (name, facts) of each.
    """

    kind: ClassVar[str] = "groups"
    groups: Sequence[tuple[str, Facts]]


@dataclass(frozen=True)
class Commands:
    """Lines for a shell."""

    kind: ClassVar[str] = "commands"
    lines: Sequence[str]


@dataclass(frozen=True)
class Picture:
    """A figure, which is part of the page.

    Attributes:
        uri: `data:` address with all of the picture.
        alt: what it shows, for those who cannot see it.
        caption: below it.
        width: natural width in CSS pixels.
        height: natural height.
    """

    kind: ClassVar[str] = "picture"
    uri: str
    alt: str
    caption: str
    width: int
    height: int

    @property
    def wide(self) -> bool:
        """Whether its writing would be too small on a phone, where it is then scrolled sideways."""
        return self.width > 620


@dataclass(frozen=True)
class Gallery:
    """Pictures side by side where there is room."""

    kind: ClassVar[str] = "gallery"
    pictures: Sequence[Picture]


Block: TypeAlias = Text | Remark | Tiles | Table | Facts | Groups | Commands | Picture | Gallery


@dataclass(frozen=True)
class Section:
    """A part of the page with a heading.

    Attributes:
        title: the heading.
        anchor: unique in the page; sections within others have none.
        blocks: in order.
        sections: parts of this one, below the blocks.
    """

    title: str
    anchor: str = ""
    blocks: Sequence[Block] = field(default_factory=list)
    sections: Sequence["Section"] = field(default_factory=list)
