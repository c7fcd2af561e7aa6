"""From the paths of a tree to labelled samples: the same rules for a folder on disk and for an archive."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from pipelines.curation.naming import NO_CLASSES, parse_name
from pipelines.data.class_names import class_key, order_classes
from pipelines.data.errors import DataError
from pipelines.data.sample import SPLITS, LeftOut, Sample

IMAGE_SUFFIXES = frozenset(
    {
        ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".jp2", ".bmp", ".gif", ".webp", ".avif", ".tif", ".tiff", ".pgm",
        ".ppm",
    }
)  # fmt: skip
_SHOWN_SUFFIXES = 5
SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
    "testing": "test",
}


def is_visible(name: str) -> bool:
    """Whether a file or folder name is the user's own, not one that an operating system left behind."""
    return bool(name) and not name.startswith(".") and name.casefold() not in {"__macosx", "thumbs.db", "desktop.ini"}


@dataclass
class Folder:
    """A folder of the tree: its images and other files (full names within the source) and the folders in it.

    Hidden ones are not among them.
    """

    path: str = ""
    images: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    folders: dict[str, "Folder"] = field(default_factory=dict)

    def first_image(self) -> str | None:
        """Some image in this folder or below it."""
        below = (folder.first_image() for folder in self.folders.values())
        return next(iter(self.images), None) or next(filter(None, below), None)

    def all_others(self) -> list[str]:
        """The files that are no images, in this folder and below it."""
        return [*self.others, *(name for folder in self.folders.values() for name in folder.all_others())]

    def count_images(self) -> int:
        """How many images are in this folder and below it."""
        return len(self.images) + sum(folder.count_images() for folder in self.folders.values())


def build_tree(files: Iterable[str], folders: Iterable[str]) -> Folder:
    """The tree of visible folders.

    Args:
        files: Relative paths with forward slashes. Files that are no images still make their folder known.
        folders: Relative paths of folders, which matter where a folder is empty.
    """
    root = Folder()
    # sorted, so that which of two problems is reported does not depend on the file system
    for path in sorted(folders):
        _descend(root, PurePosixPath(path).parts)
    for path in sorted(files):
        pure = PurePosixPath(path)
        folder = _descend(root, pure.parent.parts)
        if folder is not None and is_visible(pure.name):
            (folder.images if pure.suffix.lower() in IMAGE_SUFFIXES else folder.others).append(path)
    return root


def label_samples(
    tree: Folder, class_names: Sequence[str] | None, where: str
) -> tuple[tuple[str, ...], tuple[Sample, ...], tuple[LeftOut, ...]]:
    """Class names in label order, the samples ordered by split, label and name, and what else is there.

    Args:
        tree: What is there, as from `build_tree`.
        class_names: The class order asked for, or None for the alphabetical one.
        where: The source's name, for messages.

    Raises:
        DataError: The tree is in neither of the two layouts, a class was found that was not asked for, or, where none
            were, a class has no image to train on.
    """
    left = _left_out(tree)
    root = _see_through(tree)
    aside = [name for name, folder in root.folders.items() if _is_set_aside(folder)]
    left["images without a class"] = sum(root.folders.pop(name).count_images() for name in aside)
    if root.first_image() is None:
        tables = [name for name in tree.all_others() if name.lower().endswith(".csv")]
        remedy = f", but {tables[0]}; unpack it if it is packed, and give that file" if tables else ""
        raise DataError(f"{where} holds no images ({_suffix_list()}){remedy}")
    if not root.folders:
        raise DataError(f"{where} holds images but no class folders; put each image in a folder named after its class")
    splits = _split_folders(root, where)
    for folder in splits.values():
        for class_folder in folder.folders.values():
            _refuse_deeper_images(class_folder, where)
    lead = next(split for split in SPLITS if split in splits)
    leading = splits[lead]
    ordered = order_classes(sorted(leading.folders), class_names, f"{where}: {lead}" if lead != "all" else where)
    samples: list[Sample] = []
    for split in SPLITS:
        if split in splits:
            # a model may know classes that these images lack
            needed = class_names is None and split in {"train", "all"}
            samples += _samples_of(splits[split], split, ordered, where, needed)
    left["images beside the class folders"] = tree.count_images() - len(samples)
    return ordered, tuple(samples), tuple(LeftOut(count, kind) for kind, count in left.items() if count)


def _left_out(tree: Folder) -> Counter[str]:
    """How many files are no images, with their extensions."""
    suffixes = Counter(PurePosixPath(name).suffix.lower() or "without an extension" for name in tree.all_others())
    told = ", ".join(f"{count:,} {suffix}" for suffix, count in suffixes.most_common(_SHOWN_SUFFIXES))
    more = "" if len(suffixes) <= _SHOWN_SUFFIXES else ", ..."
    return Counter({f"files that are no known images ({told}{more})": suffixes.total()})


def _descend(root: Folder, parts: Sequence[str]) -> Folder | None:
    folder = root
    for part in parts:
        if not is_visible(part):
            return None
        if part not in folder.folders:
            folder.folders[part] = Folder(f"{folder.path}/{part}".lstrip("/"))
        folder = folder.folders[part]
    return folder


def _see_through(tree: Folder) -> Folder:
    # one folder around everything, as archives tend to have; `train` alone is a split and stays
    while len(tree.folders) == 1:
        name, inner = next(iter(tree.folders.items()))
        if name.casefold() in SPLIT_FOLDERS or not inner.folders:
            break
        # images in it make it a class folder, unless they lie beside classes or splits
        if inner.images and sum(folder.first_image() is not None for folder in inner.folders.values()) < 2:
            break
        tree = inner
    return tree


def _is_set_aside(folder: Folder) -> bool:
    # faces that `scratchnet dataset` holds without a class; another program's class may be called so too
    names = [parse_name(PurePosixPath(image).name) for image in folder.images]
    own = PurePosixPath(folder.path).name
    return own in NO_CLASSES and all(name is not None and name.class_name == own for name in names)


def _split_folders(root: Folder, where: str) -> dict[str, Folder]:
    named = [name for name in root.folders if name.casefold() in SPLIT_FOLDERS]
    # a class may be called `train`, beside `car` and `bus`: it has images where a split has folders
    others = [name for name in root.folders if name not in named]
    if not named or (others and not any(root.folders[name].folders for name in named)):
        return {"all": root}
    if others:
        raise DataError(
            f"{where}: the folder {others[0]!r} stands beside {named[0]!r} but is no split; "
            "splits are called train, validation (or valid, val) and test"
        )
    splits: dict[str, Folder] = {}
    for name in named:
        split, folder = SPLIT_FOLDERS[name.casefold()], root.folders[name]
        if split in splits:
            raise DataError(
                f"{where} has two folders for the {split} split, {splits[split].path!r} and {folder.path!r}"
            )
        if folder.images and not folder.folders:
            raise DataError(f"{where}: {folder.path!r} holds images but no class folders")
        splits[split] = folder
    return splits


def _refuse_deeper_images(class_folder: Folder, where: str) -> None:
    for inner in class_folder.folders.values():
        image = inner.first_image()
        if image is not None:
            raise DataError(
                f"{where}: the layout is unknown, {image!r} lies in a folder within the class folder "
                f"{class_folder.path!r}; images must lie directly in their class folder"
            )


def _samples_of(
    folder: Folder, split: str, class_names: tuple[str, ...], where: str, every_class: bool
) -> list[Sample]:
    labels = {class_key(name): label for label, name in enumerate(class_names)}
    images: dict[int, list[str]] = defaultdict(list)
    for name, class_folder in folder.folders.items():
        if class_key(name) not in labels:
            raise DataError(
                f"{where}: {class_folder.path!r} is a class folder that is not among the classes "
                f"{', '.join(class_names)}"
            )
        images[labels[class_key(name)]] += class_folder.images
    if every_class:
        for label, name in enumerate(class_names):
            if not images[label]:
                raise DataError(f"{where}: the class folder {name!r} holds no images to train on ({_suffix_list()})")
    return [Sample(name, label, split) for label in sorted(images) for name in sorted(images[label])]


def _suffix_list() -> str:
    return ", ".join(sorted(suffix.lstrip(".") for suffix in IMAGE_SUFFIXES))
