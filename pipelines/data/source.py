"""The door for data: a path goes in, a `Source` of the right kind comes out."""

from collections.abc import Sequence
from pathlib import Path

from pipelines.data.csv_source import CsvSource
from pipelines.data.errors import DataError
from pipelines.data.folder_source import FolderSource
from pipelines.data.sample import SPLITS, Sample, Source
from pipelines.data.zip_source import ZipSource

__all__ = ["SPLITS", "Sample", "Source", "open_source"]


def open_source(path: str | Path, class_names: Sequence[str] | None = None) -> Source:
    """Open labelled images, whichever of the known layouts they are in.

    - a folder of class folders: `happy/1.png`, `sad/2.png`;
    - a folder of splits of class folders: `train/happy/1.png`, `test/sad/2.png`; the validation split may be called
      `validation`, `valid` or `val`;
    - a dataset that `scratchnet dataset` made, with a `manifest.csv`: the images that have a class, in the parts that
      its column `split` says; never what lies in `unlabelled/` or `rejected/`;
    - a `.zip` of these, read without unpacking it; one folder around everything is seen through;
    - a `.csv` in the form of `fer2013.csv`: the columns `emotion,pixels,Usage`.

    Args:
        path: The folder or file.
        class_names: The classes in label order. Names match without regard to case; all classes found must be among
            them, and some may have no images. Left out, folders and a manifest's classes are in alphabetical order
            without regard to case, and the csv is in its own: angry, disgust, fear, happy, sad, surprise, neutral.

    Raises:
        DataError: The path does not exist, is in none of these layouts, has no images, or disagrees with
            `class_names`. A single broken image is no error here: `Source.read` reports it.
    """
    path = Path(path)
    if isinstance(class_names, str):
        raise DataError(f"class_names must be a sequence of names, got the single string {class_names!r}")
    if not path.exists():
        raise DataError(f"{path} does not exist; expected a folder of class folders, a .zip of one, or a fer2013 .csv")
    if path.is_dir():
        return FolderSource(path, class_names)
    match path.suffix.lower():
        case ".zip":
            return ZipSource(path, class_names)
        case ".csv":
            return CsvSource(path, class_names)
    raise DataError(f"{path} is neither a folder nor a .zip or .csv file")
