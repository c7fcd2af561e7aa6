"""Every image that is asked about is found once, in a stable order, and nothing strange on the way stops the rest."""

import os
import zipfile
from pathlib import Path, PurePosixPath

import pytest
from brightness import write_grey

from pipelines.data.errors import DataError
from pipelines.errors import UserError
from pipelines.predicting.inputs import find_pictures, numbered


def below(folder: Path, *paths: Path, aside: Path | None = None) -> list[str]:
    """The names that were found, relative to a folder."""
    return [Path(picture.name).relative_to(folder).as_posix() for picture in find_pictures(paths, aside).pictures]


def test_folders_are_gone_through_in_order_and_other_files_are_counted(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "sub/2.bmp", "sub/10.png", "sub/deep/er/x.webp", "another/y.tif"):
        write_grey(tmp_path / name, 9)
    for name in ("notes.txt", "sub/film.mp4", ".hidden.png", ".git/z.png", "__MACOSX/a.png", "Thumbs.db"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    listing = find_pictures([tmp_path])
    names = [Path(picture.name).relative_to(tmp_path).as_posix() for picture in listing.pictures]
    assert names == ["a.JPG", "b.png", "another/y.tif", "sub/10.png", "sub/2.bmp", "sub/deep/er/x.webp"]
    assert listing.ignored == 2
    root = tmp_path.name
    assert [picture.place for picture in listing.pictures] == [PurePosixPath(root, name) for name in names]
    assert listing.pictures[0].load() == (tmp_path / "a.JPG").read_bytes()


def test_a_file_that_is_named_is_taken_whatever_it_is_called(tmp_path: Path) -> None:
    path = write_grey(tmp_path / "face.png", 9).rename(tmp_path / ".face")
    listing = find_pictures([path, tmp_path / "missing.png"])
    assert [picture.name for picture in listing.pictures] == [str(path), str(tmp_path / "missing.png")]
    assert listing.pictures[0].load()
    with pytest.raises(FileNotFoundError):
        listing.pictures[1].load()


def test_an_image_is_listed_once_however_often_it_is_asked_about(tmp_path: Path) -> None:
    path = write_grey(tmp_path / "sub" / "face.png", 9)
    assert below(tmp_path, path, tmp_path / "x" / ".." / "sub" / "face.png", path) == ["sub/face.png"]
    folders = (path.parent, tmp_path)
    for given in ((path, *folders), (*folders, path), (*reversed(folders), path), (*folders, *folders)):
        assert below(tmp_path, *given) == ["sub/face.png"]


def test_links_that_lead_back_do_no_harm(tmp_path: Path) -> None:
    write_grey(tmp_path / "a" / "1.png", 9)
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "b").symlink_to(tmp_path / "a")
    (tmp_path / "self").symlink_to(tmp_path / "self")
    (tmp_path / "lost.png").symlink_to(tmp_path / "nowhere.png")
    assert below(tmp_path, tmp_path) == ["lost.png", "a/1.png"]
    elsewhere = write_grey(tmp_path.parent / f"{tmp_path.name}-other" / "2.png", 9)
    (tmp_path / "other").symlink_to(elsewhere.parent)
    assert below(tmp_path, tmp_path) == ["lost.png", "a/1.png", "other/2.png"]


def test_a_pipe_that_is_called_like_an_image_is_named_and_not_waited_for(tmp_path: Path) -> None:
    write_grey(tmp_path / "a.png", 9)
    os.mkfifo(tmp_path / "pipe.png")
    assert below(tmp_path, tmp_path) == ["a.png", "pipe.png"]
    with pytest.raises(OSError, match="is a pipe"):
        find_pictures([tmp_path]).pictures[1].load()


def test_what_cannot_be_listed_says_so_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "no.zip").write_text("no zip")
    listing = find_pictures([tmp_path / "empty", tmp_path / "no.zip", write_grey(tmp_path / "a.png", 9)])
    assert [Path(picture.name).name for picture in listing.pictures] == ["empty", "no.zip", "a.png"]
    with pytest.raises(DataError, match="holds no images"):
        listing.pictures[0].load()
    with pytest.raises(DataError, match="is not a readable zip archive"):
        listing.pictures[1].load()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_a_folder_that_must_not_be_read_does_not_stop_the_rest(tmp_path: Path) -> None:
    write_grey(tmp_path / "z" / "a.png", 9)
    (tmp_path / "closed").mkdir(mode=0)
    closed, open_ = find_pictures([tmp_path]).pictures
    with pytest.raises(DataError, match="cannot be listed, Permission denied"):
        closed.load()
    assert open_.name.endswith("a.png")


def test_the_folder_of_results_is_not_read_and_cannot_be_the_folder_of_images(tmp_path: Path) -> None:
    write_grey(tmp_path / "a.png", 9)
    write_grey(tmp_path / "marked" / "a.png", 9)
    assert below(tmp_path, tmp_path, aside=tmp_path / "marked") == ["a.png"]
    assert below(tmp_path, tmp_path, aside=tmp_path / "not there yet") == ["a.png", "marked/a.png"]
    for among in (tmp_path / "marked" / "..", tmp_path.parent):  # results go to FOLDER/NAME
        with pytest.raises(UserError, match="would lie among the images that are read; give another folder"):
            find_pictures([tmp_path], among)


def test_archives_are_read_in_place_and_cannot_name_places_outside(tmp_path: Path) -> None:
    data = write_grey(tmp_path / "a.png", 9).read_bytes()
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        for name in ("b/2.png", "b/1.png", "../escape.png", "/root.png", "C:/drive.png", "__MACOSX/._1.png", "read.me"):
            archive.writestr(name, data)
    listing = find_pictures([tmp_path / "faces.zip"])
    assert [picture.name.removeprefix(f"{tmp_path}/faces.zip/") for picture in listing.pictures] == [
        "/root.png", "C:/drive.png", "b/1.png", "b/2.png",
    ]  # fmt: skip
    assert all(picture.load() == data for picture in listing.pictures)
    assert listing.ignored == 1
    for picture in listing.pictures:
        assert picture.place.parts[0] == "faces"
        assert not {"..", "/"} & set(picture.place.parts)
        assert ":" not in str(picture.place)


def test_no_two_pictures_have_one_place_even_where_case_does_not_count(tmp_path: Path) -> None:
    for name in ("x/faces/1.png", "y/faces/1.png", "z/FACES/1.png", "1.png", "w/1.png"):
        write_grey(tmp_path / name, 9)
    with zipfile.ZipFile(tmp_path / "case.zip", "w") as archive:
        for name in ("Face.png", "face.PNG"):
            archive.writestr(name, b"x")
    given = [tmp_path / name for name in ("x/faces", "y/faces", "z/FACES", "1.png", "w/1.png", "case.zip")]
    places = [str(picture.place) for picture in find_pictures(given).pictures]
    assert len({place.casefold() for place in places}) == 7
    assert places[:5] == ["faces/1.png", "faces (2)/1.png", "FACES (3)/1.png", "1.png", "1 (2).png"]


def test_a_folder_given_as_a_dot_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_grey(tmp_path / "a.png", 9)
    monkeypatch.chdir(tmp_path)
    (picture,) = find_pictures([Path()]).pictures
    assert picture.place == PurePosixPath(tmp_path.name, "a.png")
    assert picture.name == "a.png"


@pytest.mark.parametrize(
    ("name", "number", "expected"),
    [("a.png", 1, "a.png"), ("a.png", 2, "a (2).png"), ("a.b.jpg", 3, "a.b (3).jpg"), ("folder", 2, "folder (2)")],
)
def test_numbers_stand_before_the_extension(name: str, number: int, expected: str) -> None:
    assert numbered(name, number) == expected
