"""Folders, archives and csv files become labelled samples, or say clearly why not."""

import shutil
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipelines.data.chosen_classes import ChosenClasses
from pipelines.data.errors import DataError
from pipelines.data.opening import open_data
from pipelines.data.preprocessing import Preprocessing
from pipelines.data.sample import LeftOut
from pipelines.data.source import Sample, Source, open_source

Tree = Callable[..., Path]


def png(image: np.ndarray, suffix: str = ".png") -> bytes:
    return cv2.imencode(suffix, image)[1].tobytes()


def picture(seed: int = 0, size: int = 6) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (size, size), dtype=np.uint8)


def write_tree(root: Path, names: Iterable[str]) -> Path:
    """Each name becomes a small image; a name that ends in a slash an empty folder; other suffixes a text."""
    for seed, name in enumerate(names):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith("/"):
            path.mkdir(exist_ok=True)
        elif path.suffix.lower() in {".png", ".bmp", ".pgm"}:
            path.write_bytes(png(picture(seed), path.suffix.lower()))
        else:
            path.write_text("no image")
    return root


def write_zip(folder: Path, archive: Path, prefix: str = "") -> Path:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for path in sorted(folder.rglob("*")):
            file.write(path, prefix + path.relative_to(folder).as_posix())
    return archive


def listing(source: Source) -> list[tuple[str, str, str]]:
    return [(sample.split, source.class_names[sample.label], Path(sample.name).name) for sample in source.samples]


FLAT = ["sad/2.png", "happy/1.png", "happy/0.png"]
SPLIT = ["train/b/1.png", "train/A/0.png", "test/A/2.png", "valid/b/3.png"]


class TestFolders:
    def test_class_folders_are_listed_in_alphabetical_order_under_the_split_all(self, tmp_path: Path) -> None:
        source = open_source(write_tree(tmp_path, FLAT))
        assert source.class_names == ("happy", "sad")
        assert source.samples == (
            Sample("happy/0.png", 0, "all"),
            Sample("happy/1.png", 0, "all"),
            Sample("sad/2.png", 1, "all"),
        )

    @pytest.mark.parametrize("validation", ["validation", "val", "valid", "Valid"])
    def test_splits_are_recognised_and_alphabetical_order_ignores_case(self, tmp_path: Path, validation: str) -> None:
        names = [name.replace("valid", validation) for name in SPLIT]
        source = open_source(write_tree(tmp_path, names))
        assert source.class_names == ("A", "b")
        assert listing(source) == [
            ("train", "A", "0.png"),
            ("train", "b", "1.png"),
            ("validation", "b", "3.png"),
            ("test", "A", "2.png"),
        ]

    def test_pixels_are_those_of_the_file(self, tmp_path: Path) -> None:
        source = open_source(str(write_tree(tmp_path, FLAT)))
        for sample in source.samples:
            seed = FLAT.index(sample.name)
            np.testing.assert_array_equal(source.read(sample), picture(seed))

    def test_the_given_class_order_is_kept_and_matched_without_regard_to_case(self, tmp_path: Path) -> None:
        source = open_source(write_tree(tmp_path, FLAT), ("Sad", "HAPPY"))
        assert source.class_names == ("Sad", "HAPPY")
        assert {sample.name: sample.label for sample in source.samples} == {
            "sad/2.png": 0,
            "happy/0.png": 1,
            "happy/1.png": 1,
        }

    def test_spellings_that_differ_in_case_are_one_class_across_splits(self, tmp_path: Path) -> None:
        source = open_source(write_tree(tmp_path, ["train/Happy/0.png", "train/sad/1.png", "test/happy/2.png"]))
        assert source.class_names == ("Happy", "sad")
        assert listing(source)[-1] == ("test", "Happy", "2.png")

    @pytest.mark.parametrize("suffix", [".jpe", ".jfif", ".jp2", ".gif", ".avif", ".WEBP", ".ppm", ".tiff"])
    def test_images_of_many_formats_are_found_and_read(self, tmp_path: Path, suffix: str) -> None:
        kind = {".jpe": ".jpg", ".jfif": ".jpg"}.get(suffix, suffix.lower())
        kept, data = cv2.imencode(kind, np.full((64, 72, 3), 100, np.uint8))
        assert kept
        for name in ("happy", "sad"):
            (tmp_path / name).mkdir()
            (tmp_path / name / f"1{suffix}").write_bytes(data.tobytes())
        source = open_source(tmp_path)
        assert [source.read(sample).shape[:2] for sample in source.samples] == [(64, 72)] * 2

    def test_hidden_and_other_files_are_ignored(self, tmp_path: Path) -> None:
        extra = [".DS_Store", "__MACOSX/happy/._0.png", "happy/Thumbs.db", "happy/notes.txt", "sad/.hidden.png"]
        assert listing(open_source(write_tree(tmp_path, FLAT + extra))) == [
            ("all", "happy", "0.png"),
            ("all", "happy", "1.png"),
            ("all", "sad", "2.png"),
        ]

    def test_names_beyond_ascii_are_read(self, tmp_path: Path) -> None:
        source = open_source(write_tree(tmp_path, ["fröhlich/Größe 😀.png", "悲しい/写真.png"]))
        assert source.class_names == ("fröhlich", "悲しい")
        assert [source.read(sample).shape for sample in source.samples] == [(6, 6), (6, 6)]

    def test_a_folder_around_everything_is_seen_through(self, tmp_path: Path) -> None:
        assert len(open_source(write_tree(tmp_path, [f"download/data/{name}" for name in SPLIT])).samples) == len(SPLIT)

    def test_a_class_may_be_called_train(self, tmp_path: Path) -> None:
        source = open_source(write_tree(tmp_path, ["train/0.png", "car/1.png"]))
        assert source.class_names == ("car", "train")

    def test_chosen_classes_may_be_absent_only_where_a_model_knows_them(self, tmp_path: Path) -> None:
        path, size = str(write_tree(tmp_path, FLAT)), Preprocessing(6, 6, 1)
        known = open_data(path, size, class_names=("fear", "sad"), chosen=("fear", "sad"))
        assert [(sample.name, sample.label) for sample in known.samples] == [("sad/2.png", 1)]
        with pytest.raises(DataError, match="the data have no class 'fear', only happy, sad"):
            open_data(path, size, chosen=("fear", "sad"))
        with pytest.raises(DataError, match="the data have none of the classes angry, fear"):
            open_data(path, size, class_names=("angry", "fear"), chosen=("angry", "fear"))

    def test_a_class_may_be_absent_from_the_test_split(self, tmp_path: Path) -> None:
        source = open_source(write_tree(tmp_path, ["train/a/0.png", "train/b/1.png", "test/a/2.png", "test/b/"]))
        assert Counter(sample.split for sample in source.samples) == {"train": 2, "test": 1}

    @pytest.mark.parametrize("zipped", [False, True])
    @pytest.mark.parametrize("names", [FLAT, ["train/happy/0.png", "train/sad/1.png"], [*FLAT, "fear/"]])
    def test_where_a_model_names_the_classes_some_may_have_no_images(
        self, tmp_path: Path, names: list[str], zipped: bool
    ) -> None:
        root = write_tree(tmp_path / "dataset", names)
        path = write_zip(root, tmp_path / "dataset.zip") if zipped else root
        source = open_source(path, ("fear", "happy", "sad"))
        assert source.class_names == ("fear", "happy", "sad")
        assert {sample.label for sample in source.samples} == {1, 2}

    @pytest.mark.parametrize(
        ("names", "class_names", "message"),
        [
            ([], None, "holds no images"),
            (["happy/", "sad/"], None, "holds no images"),
            (["top/fer2013.csv", "README"], None, r"holds no images .*, but top/fer2013\.csv; unpack it"),
            (["0.png"], None, "no class folders"),
            (["train/0.png", "test/1.png"], None, "'test' holds images but no class folders"),
            (["happy/0.png", "sad/notes.txt"], None, "'sad' holds no images"),
            (["train/a/0.png", "train/b/", "test/b/1.png"], None, "'b' holds no images"),
            (["train/a/0.png", "train/b/1.png", "test/c/2.png"], None, "'test/c' is a class folder that is not among"),
            (["train/a/0.png", "extra/b/1.png"], None, "'extra' stands beside 'train'"),
            (
                ["train/a/0.png", "val/a/1.png", "valid/a/2.png"],
                None,
                "two folders for the validation split, 'val' and 'valid'",
            ),
            (["a/b/c/0.png", "a/d/e/1.png"], None, "layout is unknown"),
            (["happy/0.png"], None, "one class only, 'happy'"),
            ([*FLAT, "Angst/9.png"], ("happy", "sad"), "'Angst', which is not among"),
            (FLAT, ("happy", "HAPPY", "sad"), "'HAPPY' twice"),
            (FLAT, "happy", "single string 'happy'"),
            (FLAT, ("happy", " "), "empty name"),
        ],
    )
    @pytest.mark.parametrize("zipped", [False, True])
    def test_unusable_data_is_refused_by_name(
        self, tmp_path: Path, names: list[str], class_names: tuple[str, ...] | str | None, message: str, zipped: bool
    ) -> None:
        root = tmp_path / "dataset"
        root.mkdir()
        write_tree(root, names)
        path = write_zip(root, tmp_path / "dataset.zip") if zipped else root
        with pytest.raises(DataError, match=message) as caught:
            open_source(path, class_names)
        assert "dataset" in str(caught.value) or "class_names" in str(caught.value)

    def test_a_missing_path_and_another_kind_of_file_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"nowhere does not exist"):
            open_source(tmp_path / "nowhere")
        (tmp_path / "faces.rar").write_bytes(b"Rar!")
        with pytest.raises(DataError, match=r"faces\.rar is neither"):
            open_source(tmp_path / "faces.rar")

    def test_broken_and_vanished_files_are_reported_by_name(self, tmp_path: Path) -> None:
        source = open_source(write_tree(tmp_path, FLAT))
        (tmp_path / "happy/0.png").write_bytes(b"GIF89a, or not")
        (tmp_path / "happy/1.png").write_bytes(b"")
        (tmp_path / "sad/2.png").unlink()
        for sample, reason in zip(source.samples, ["not a readable image", "empty", "cannot be read"], strict=True):
            with pytest.raises(DataError, match=f"{sample.name}: .*{reason}"):
                source.read(sample)


class TestArchives:
    @pytest.mark.parametrize("names", [FLAT, SPLIT])
    @pytest.mark.parametrize("prefix", ["", "top/"])
    def test_an_archive_equals_the_folder_it_was_made_of(self, tmp_path: Path, names: list[str], prefix: str) -> None:
        folder = open_source(write_tree(tmp_path / "folder", names))
        archive = open_source(write_zip(tmp_path / "folder", tmp_path / "a.zip", prefix))
        assert archive.class_names == folder.class_names
        assert listing(archive) == listing(folder)
        for ours, theirs in zip(archive.samples, folder.samples, strict=True):
            np.testing.assert_array_equal(archive.read(ours), folder.read(theirs))

    def test_reading_from_many_threads_gives_every_image_its_own_pixels(self, tmp_path: Path) -> None:
        names = [f"{'ab'[i % 2]}/{i}.png" for i in range(60)]
        source = open_source(write_zip(write_tree(tmp_path / "folder", names), tmp_path / "a.zip"))
        with ThreadPoolExecutor(8) as pool:
            images = list(pool.map(source.read, source.samples * 5))
        for sample, image in zip(source.samples * 5, images, strict=True):
            np.testing.assert_array_equal(image, picture(names.index(sample.name)))

    def test_windows_separators_are_understood(self, tmp_path: Path) -> None:
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as file:
            for name in FLAT:
                info = zipfile.ZipInfo("placeholder")
                info.filename = name.replace("/", "\\")
                file.writestr(info, png(picture()))
        assert open_source(tmp_path / "a.zip").class_names == ("happy", "sad")

    def test_a_file_that_is_no_archive_or_half_of_one_is_refused(self, tmp_path: Path) -> None:
        whole = write_zip(write_tree(tmp_path / "folder", FLAT), tmp_path / "whole.zip").read_bytes()
        for content in (b"", b"<html>not found</html>", whole[: len(whole) // 2]):
            (tmp_path / "half.zip").write_bytes(content)
            with pytest.raises(DataError, match=r"half\.zip is not a readable zip archive"):
                open_source(tmp_path / "half.zip")

    def test_names_that_are_not_what_they_say_are_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "faces.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("happy/\u00e9.png", b"x")  # its flag says that the name is UTF-8
        path.write_bytes(path.read_bytes().replace("\u00e9".encode(), b"\xff\xff"))
        with pytest.raises(DataError, match=r"faces\.zip is not a readable zip archive"):
            open_source(path)

    def test_an_encrypted_member_says_that_a_password_is_needed(self, tmp_path: Path) -> None:
        path = write_zip(write_tree(tmp_path / "folder", FLAT), tmp_path / "a.zip")
        data = bytearray(path.read_bytes())
        at = data.rindex(b"PK\x01\x02")  # the last file's entry in the archive's directory
        data[at + 8] |= 1
        path.write_bytes(data)
        source = open_source(path)
        with pytest.raises(DataError, match=r"^sad/2\.png: the archive needs a password; unpack it"):
            source.read(source.samples[2])

    def test_a_damaged_member_is_reported_and_the_others_are_read(self, tmp_path: Path) -> None:
        path = write_zip(write_tree(tmp_path / "folder", FLAT), tmp_path / "a.zip")
        data = bytearray(path.read_bytes())
        with zipfile.ZipFile(path) as file:
            info = file.getinfo("sad/2.png")
        start = info.header_offset + 30 + len(info.filename)
        data[start + info.compress_size // 2] ^= 0xFF
        path.write_bytes(data)
        source = open_source(path)
        assert source.read(source.samples[0]).shape == (6, 6)
        with pytest.raises(DataError, match=r"sad/2\.png: cannot be unpacked"):
            source.read(source.samples[2])

    def test_a_folder_and_its_archive_survive_a_copy(self, tmp_path: Path) -> None:
        # nothing about a source depends on where it lies
        first = open_source(write_tree(tmp_path / "one", SPLIT))
        shutil.copytree(tmp_path / "one", tmp_path / "two")
        assert open_source(tmp_path / "two").samples == first.samples


class TestLeftOut:
    """What is there and is no sample is counted."""

    @pytest.mark.parametrize("zipped", [False, True])
    def test_other_files_and_images_in_other_places_are_counted(self, tmp_path: Path, zipped: bool) -> None:
        names = [
            "sad/a.heic",
            "sad/b.HEIC",
            "happy/face",
            "happy/x/notes.txt",
            "beside.png",
            "happy/.hidden",
            "README.md",
        ]
        root = write_tree(tmp_path / "data", [*FLAT, *names])
        source = open_source(write_zip(root, tmp_path / "data.zip") if zipped else root)
        assert [str(left) for left in source.left_out] == [
            "files that are no known images (2 .heic, 1 .md, 1 without an extension, 1 .txt): 5",
            "images beside the class folders: 1",
        ]
        assert len(source.samples) == 3

    def test_images_beside_the_class_folders_of_a_split_are_counted(self, tmp_path: Path) -> None:
        source = open_source(write_tree(tmp_path, [*SPLIT, "train/8.png", "9.png"]))
        assert source.left_out == (LeftOut(2, "images beside the class folders"),)

    @pytest.mark.parametrize("layout", [FLAT, SPLIT])
    def test_images_beside_a_folder_around_everything_are_counted_too(self, tmp_path: Path, layout: list[str]) -> None:
        source = open_source(write_tree(tmp_path, ["8.png", "faces/9.png", *(f"faces/{name}" for name in layout)]))
        assert source.left_out == (LeftOut(2, "images beside the class folders"),)
        assert len(source.samples) == len(layout)

    def test_nothing_is_told_where_nothing_is_left_out(self, tmp_path: Path) -> None:
        assert open_source(write_tree(tmp_path, [*FLAT, ".hidden"])).left_out == ()

    def test_links_that_lead_back_and_folders_too_deep_are_counted(self, tmp_path: Path) -> None:
        root = write_tree(tmp_path / "data", [*FLAT, "sad/1/2/3/4/5/6/7/notes.txt"])
        (root / "happy" / "back").symlink_to(root)
        assert [str(left) for left in open_source(root).left_out] == [
            "links to folders that they lie in: 1",
            "folders below 6 others: 1",
        ]

    def test_a_link_to_itself_is_named_when_it_is_read_and_keeps_nobody_from_the_others(self, tmp_path: Path) -> None:
        root = write_tree(tmp_path, FLAT)
        (root / "sad" / "0.png").symlink_to("0.png")
        source = open_source(root)
        assert len(source.samples) == len(FLAT) + 1
        with pytest.raises(DataError, match=r"^sad/0\.png: cannot be read, Too many levels of symbolic links"):
            source.read(source.samples[2])

    def test_images_of_classes_that_are_not_asked_for_are_counted_class_by_class(self, tmp_path: Path) -> None:
        names = [f"{name}/{i}.png" for name, count in (("happy", 1), ("sad", 2), ("angry", 3), ("fear", 4))
                 for i in range(count)]  # fmt: skip
        chosen = ChosenClasses(open_source(write_tree(tmp_path, [*names, "notes.txt"])), ("sad", "happy"))
        assert [str(left) for left in chosen.left_out] == [
            "files that are no known images (1 .txt): 1",
            "images of 2 classes that are not asked for (angry 3, fear 4): 7",
        ]


class TestFer2013:
    """The real data."""

    TRAIN = (3995, 436, 4097, 7215, 4965, 4830, 3171)
    TEST = (467, 56, 496, 895, 607, 653, 415)

    def test_the_archive_has_the_known_counts(self, shared_data: Path) -> None:
        source = open_source(shared_data / "fer2013" / "archive.zip")
        assert source.class_names == ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
        counts = Counter((sample.split, sample.label) for sample in source.samples)
        assert tuple(counts["train", label] for label in range(7)) == self.TRAIN
        assert tuple(counts["test", label] for label in range(7)) == self.TEST
        assert sum(counts.values()) == sum(self.TRAIN) + sum(self.TEST)
        image = source.read(source.samples[0])
        assert image.shape == (48, 48)
        assert image.dtype == np.uint8

    def test_the_rows_of_the_csv_are_all_read(self, shared_data: Path) -> None:
        source = open_source(shared_data / "fer2013" / "fer2013_head.csv")
        assert Counter(sample.split for sample in source.samples) == {"train": 1167}
        assert source.class_names == ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
        assert not source.skipped
        assert source.samples[0] == Sample("fer2013_head.csv:2", 0, "train")
        assert source.read(source.samples[0])[0, :5].tolist() == [70, 80, 82, 72, 58]

    def test_photographs_of_mixed_sizes_are_all_read(self, shared_data: Path) -> None:
        source = open_source(shared_data / "happysad")
        assert source.class_names == ("happy", "sad")
        images = [source.read(sample) for sample in source.samples[::20]]
        assert all(image.dtype == np.uint8 and image.shape[2:] in {(), (3,)} for image in images)
