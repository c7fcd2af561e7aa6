"""Small datasets on disk: coloured noise in place of faces, with a manifest as extraction writes it."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

import scratchnet as sn
from pipelines.curation.hashes import perceptual_hash
from pipelines.curation.manifest import Manifest, Row
from pipelines.curation.naming import UNLABELLED, ImageName
from pipelines.data.content import content_hash
from scratchnet import layers


def pixels_of(number: int) -> np.ndarray:
    """The RGB picture of a number, unlike that of any other."""
    coarse = np.random.default_rng(number).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    return cv2.resize(coarse, (64, 48), interpolation=cv2.INTER_NEAREST)


def make_dataset(folder: Path, classes: Sequence[str], *, per_scene: int = 1, contributor: str = "ana") -> Manifest:
    """A dataset whose n-th image, from 1, has the n-th class; each scene has so many images, one after the other."""
    rows = []
    for number, class_name in enumerate(classes, 1):
        name, pixels = ImageName(class_name, contributor, number), pixels_of(number)
        (folder / class_name).mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(folder / name.file), pixels[..., ::-1])
        labelled = class_name != UNLABELLED
        rows.append(
            Row(
                name.file,
                class_name,
                contributor,
                number,
                film="film.mp4",
                time_code=f"00:00:{number % 60:02}.000",
                frame=25 * number,
                scene=(number - 1) // per_scene,
                sha256=content_hash(pixels),
                phash=perceptual_hash(pixels),
                labeller="ana" if labelled else None,
                labelled_at="2025-01-31T09:30:00Z" if labelled else None,
            )
        )
    manifest = Manifest(folder, rows)
    manifest.write()
    return manifest


def make_model(*class_names: str) -> sn.Model:
    """A model of these classes that has learnt nothing."""
    sn.set_random_seed(1)
    model = sn.Sequential([layers.Input((8, 8, 3)), layers.Flatten(), layers.Dense(len(class_names), "softmax")])
    model.class_names = class_names
    model.preprocessing = {"height": 8, "width": 8, "channels": 3}
    return model


def classes_of(folder: Path) -> dict[int, str]:
    """The class of each number, after checking that each file lies where the manifest says, and no other is there."""
    rows = Manifest.read(folder).rows
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*.png")}
    assert there == {row.file for row in rows}
    assert all(row.file == row.name.file for row in rows)
    for row in rows:
        assert content_hash(cv2.imread(str(folder / row.file))[..., ::-1]) == row.sha256
    return {row.number: row.class_name for row in rows}
