"""A page as text: what a reader, a browser and a screen reader would find in it."""

from html.parser import HTMLParser
from pathlib import Path

# elements that have no end
VOID = {"meta", "link", "img", "br", "input"}
PLAIN = str.maketrans({"\N{EN DASH}": "-", "\N{MINUS SIGN}": "-", "\N{MULTIPLICATION SIGN}": "x"})


class Page(HTMLParser):
    """What is in a page.

    Attributes:
        text: everything that can be read, with single blanks and the signs of a keyboard for dashes, minus and times.
        headings: (level, text) in order.
        links: targets of links.
        anchors: ids of elements.
        images: the attributes of each.
        tags: names of all elements.
        open: elements without an end.
    """

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.headings: list[tuple[int, str]] = []
        self.links: list[str] = []
        self.anchors: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.open: list[str] = []
        self._words: list[str] = []
        self.feed(source)
        self.close()
        self.text = " ".join("".join(self._words).translate(PLAIN).split())

    @classmethod
    def read(cls, path: Path) -> "Page":
        return cls(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        self.tags.add(tag)
        self.attributes.update(found)
        if tag not in VOID:
            self.open.append(tag)
        if tag == "a":
            self.links.append(str(found["href"]))
        if found.get("id"):
            self.anchors.append(str(found["id"]))
        if tag == "img":
            self.images.append(found)
        if tag in {"h1", "h2", "h3", "h4", "h5", "h6"}:
            self.headings.append((int(tag[1]), ""))
        self._words.append(" ")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> ends something else"
        self._words.append(" ")

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self._words.append(data)
        if self.open and self.open[-1] in {"h1", "h2", "h3", "h4", "h5", "h6"}:
            level, text = self.headings[-1]
            self.headings[-1] = (level, text + data)
