"""What `scratchnet predict` is asked about: image files, all images below folders, and images in zip archives."""

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple, NoReturn

from pipelines.data.archive import Archive
from pipelines.data.errors import DataError
from pipelines.data.layout import IMAGE_SUFFIXES, is_visible
from pipelines.errors import UserError
from pipelines.reading import read_file

Identity = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Picture:
    """An image that is asked about, not yet read.

    Args:
        name: The path, as a user would look for it; within an archive, the archive's path comes first.
        place: Where it stands among all that was asked about: the name of what was given, and the path below it.
            No two pictures have the same, not even where upper and lower case are one.
        load: Gives the file's bytes; raises OSError or DataError.
    """

    name: str
    place: PurePosixPath
    load: Callable[[], bytes]


@dataclass
class Listing:
    """What was found.

    Args:
        pictures: In the order in which they were asked for; in a folder by name, its own images first.
        ignored: Number of files in folders and archives that are no images, hidden ones not counted.
    """

    pictures: list[Picture] = field(default_factory=list)
    ignored: int = 0


def find_pictures(paths: Sequence[Path], aside: Path | None = None) -> Listing:
    """List every image; nothing is decoded.

    Folders are gone through to the bottom, in an order that does not depend on the file system; hidden files and
    folders, and those that operating systems leave behind, are passed over. Each folder is visited once, so links that
    lead back do no harm. A file that is named itself is taken whatever its extension. What cannot be listed becomes a
    picture whose `load` says why, so that it does not stop the rest. An image is listed once, however often it is
    asked about; one with several links, by each.

    Args:
        paths: Files, folders and zip archives.
        aside: A folder below one of them that is not looked into, because results are written to it.

    Raises:
        UserError: Results would be written into one of the folders.
    """
    listing = Listing()
    seen: set[Identity] = set()
    if aside is not None and aside.is_dir():
        seen.add(_identity(aside))
    given: set[str] = set()
    roots: set[str] = set()
    for path in paths:
        if _was_given(path, given):
            continue
        name = (path.name if path.name not in {"", ".."} else path.resolve().name) or "images"
        if _is_folder(path):
            root = _unlike(name, roots)
            if aside is not None and any(_is_same(path, place) for place in (aside, aside / root)):
                raise UserError(f"copies in {aside} would lie among the images that are read; give another folder")
            _add_folder(listing, path, root, seen, given)
        elif path.suffix.lower() == ".zip" and os.path.isfile(path):  # noqa: PTH113
            _add_archive(listing, path, _unlike(path.stem, roots))
        else:
            listing.pictures.append(Picture(str(path), PurePosixPath(_unlike(name, roots)), partial(read_file, path)))
    return listing


def numbered(name: str, number: int) -> str:
    """A file's name with a number before its extension: `face (2).png`; 1 leaves it as it is."""
    stem, suffix = os.path.splitext(name)  # noqa: PTH122  # a Path would change some names
    return name if number == 1 else f"{stem} ({number}){suffix}"


def _was_given(path: Path, given: set[str]) -> bool:
    """Whether the path is among those given, which it is from now on."""
    key = os.path.abspath(path)  # noqa: PTH100  # resolve() would take a link for what it leads to
    known = key in given
    given.add(key)
    return known


def _add_folder(listing: Listing, folder: Path, root: str, seen: set[Identity], given: set[str]) -> None:
    taken: set[str] = set()
    empty = True
    for path, error, known in _walk(folder, seen):
        below = PurePosixPath(root, *path.relative_to(folder).parts)
        if error is not None:
            listing.pictures.append(Picture(str(path), below, partial(_fail, DataError(error))))
        elif not known and path.suffix.lower() not in IMAGE_SUFFIXES:
            listing.ignored += 1
            continue
        elif not known and not _was_given(path, given):
            place = below.parent / _unlike(below.name, taken, str(below.parent))
            listing.pictures.append(Picture(str(path), place, partial(read_file, path)))
        empty = False
    if empty:
        _add_empty(listing, folder, root)


def _add_archive(listing: Listing, path: Path, root: str) -> None:
    try:
        archive = Archive(path)
    except DataError as error:
        reason = DataError(str(error).removeprefix(f"{path} "))
        listing.pictures.append(Picture(str(path), PurePosixPath(root), partial(_fail, reason)))
        return
    before = len(listing.pictures)
    taken: set[str] = set()
    for name in sorted(archive.files, key=lambda name: PurePosixPath(name).parts):
        # '..' counts as hidden; a colon would name a drive or a stream on Windows
        parts = PurePosixPath(name.replace(":", "_").lstrip("/")).parts
        if not parts or not all(map(is_visible, parts)):
            continue
        if PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES:
            parent = PurePosixPath(root, *parts[:-1])
            place = parent / _unlike(parts[-1], taken, str(parent))
            listing.pictures.append(Picture(f"{path}/{name}", place, partial(_read_member, archive, name)))
        else:
            listing.ignored += 1
    if len(listing.pictures) == before:
        _add_empty(listing, path, root)


def _add_empty(listing: Listing, path: Path, root: str) -> None:
    suffixes = ", ".join(sorted(suffix.lstrip(".") for suffix in IMAGE_SUFFIXES))
    reason = DataError(f"holds no images ({suffixes})")
    listing.pictures.append(Picture(str(path), PurePosixPath(root), partial(_fail, reason)))


class _Found(NamedTuple):
    """A file below a folder; or a folder that cannot be listed, or that was gone through before."""

    path: Path
    error: str | None = None
    known: bool = False


def _walk(top: Path, seen: set[Identity]) -> Iterator[_Found]:
    """What is below a folder, the files of each folder first."""
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        try:
            identity = _identity(folder)
            if identity in seen:
                yield _Found(folder, known=True)
                continue
            seen.add(identity)
            with os.scandir(folder) as entries:
                names = sorted(entry.name for entry in entries if is_visible(entry.name))
        except OSError as error:
            yield _Found(folder, f"cannot be listed, {error.strerror}")
            continue
        folders = [folder / name for name in names if _is_folder(folder / name)]
        files = sorted(set(names) - {inner.name for inner in folders})
        yield from (_Found(folder / name) for name in files)
        waiting += reversed(folders)


def _is_folder(path: Path) -> bool:
    return os.path.isdir(path)  # noqa: PTH112  # Path.is_dir raises where a folder above must not be read


def _is_same(one: Path, other: Path) -> bool:
    return other.exists() and one.samefile(other)


def _identity(folder: Path) -> Identity:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _unlike(name: str, taken: set[str], folder: str = "") -> str:
    """The name, numbered if that is needed to be unlike those taken in the same folder, also without regard to case."""
    number = 1
    while (key := f"{folder}/{numbered(name, number)}".casefold()) in taken:
        number += 1
    taken.add(key)
    return numbered(name, number)


def _read_member(archive: Archive, name: str) -> bytes:
    try:
        return archive.read(name)
    except DataError as error:
        raise DataError(str(error).removeprefix(f"{name}: ")) from error


def _fail(error: DataError) -> NoReturn:
    raise error
