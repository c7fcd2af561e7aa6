"""How well near duplicates are found, and how often others are taken for them: `python benchmarks/near_duplicates.py`.

Images are changed as files and croppings change them, and must be found again; different images must not. Faces that
the program draws are all different; photographs, such as those of FER-2013, hold the same one more than once.
"""

import argparse
from collections.abc import Callable, Sequence

import cv2
import imagehash
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipelines.curation.likeness import ALIKE, CANDIDATE_BITS, details, likeness
from pipelines.data.opening import open_data
from pipelines.data.preprocessing import Preprocessing

Picture = NDArray[np.uint8]
HASHES: dict[str, Callable[[Image.Image], imagehash.ImageHash]] = {
    "pHash 64": imagehash.phash,
    "pHash 256": lambda image: imagehash.phash(image, hash_size=16),
    "dHash 64": imagehash.dhash,
}
THRESHOLDS = {"pHash 64": (4, 6, 8, 10), "pHash 256": (16, 32, 48), "dHash 64": (4, 8)}


def jpeg(quality: int) -> Callable[[Picture], Picture]:
    """Compression."""
    return lambda image: cv2.imdecode(
        cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1], cv2.IMREAD_GRAYSCALE
    )


def cropped(share: float) -> Callable[[Picture], Picture]:
    """A frame of this share is cut off, and the rest enlarged."""

    def crop(image: Picture) -> Picture:
        rows, columns = (max(1, round(side * share)) for side in image.shape)
        return np.asarray(cv2.resize(image[rows:-rows, columns:-columns], image.shape[::-1]), np.uint8)

    return crop


def moved(image: Picture) -> Picture:
    """2% to the right."""
    step = max(1, round(image.shape[1] * 0.02))
    return np.asarray(cv2.copyMakeBorder(image, 0, 0, step, 0, cv2.BORDER_REPLICATE)[:, :-step], np.uint8)


def scaled(factor: float) -> Callable[[Picture], Picture]:
    """Another size."""
    return lambda image: np.asarray(
        cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA), np.uint8
    )


CHANGES: dict[str, Callable[[Picture], Picture]] = {
    "JPEG 70": jpeg(70), "JPEG 30": jpeg(30), "half size": scaled(0.5), "double size": scaled(2),
    "brighter": lambda image: cv2.add(image, 20), "less contrast": lambda image: cv2.convertScaleAbs(image, alpha=0.8),
    "2% moved": moved, "2% cropped": cropped(0.021), "4% cropped": cropped(0.042),
}  # fmt: skip


def codes(images: Sequence[Picture], name: str) -> NDArray[np.uint8]:
    """(images, bytes), the hash of each."""
    return np.stack([np.packbits(HASHES[name](Image.fromarray(image)).hash) for image in images])


def measure(images: Sequence[Picture], changed: int) -> None:
    """Print how many changed images are found, and how many other pairs."""
    count = len(images)
    print(f"{count:,} images, {count * (count - 1) // 2:,} pairs; recall of {changed} changed images; pairs found")
    shown = [details(image) for image in images]
    found: dict[str, list[float]] = {}
    for name, thresholds in THRESHOLDS.items():
        own = codes(images, name)
        apart = {
            what: np.bitwise_count(codes([change(image) for image in images[:changed]], name) ^ own[:changed]).sum(
                axis=1
            )
            for what, change in CHANGES.items()
        }
        near = [
            (int(bits), i, i + 1 + int(j))
            for i in range(count - 1)
            for row in [np.bitwise_count(own[i + 1 :] ^ own[i]).sum(axis=1)]
            for j in np.flatnonzero(row <= max(thresholds))
            for bits in [row[j]]
        ]
        near = [pair for pair in near if not np.array_equal(images[pair[1]], images[pair[2]])]
        for threshold in thresholds:
            pairs = sum(bits <= threshold for bits, _, _ in near)
            found[f"{name}, up to {threshold}"] = [*((bits <= threshold).mean() for bits in apart.values()), pairs]
        if name == "pHash 64":
            alike = [
                np.mean([
                    bits <= CANDIDATE_BITS and likeness(one, details(change(image))) >= ALIKE
                    for bits, one, image in zip(apart[what], shown, images, strict=False)
                ])
                for what, change in CHANGES.items()
            ]  # fmt: skip
            confirmed = [likeness(shown[i], shown[j]) >= ALIKE for bits, i, j in near if bits <= CANDIDATE_BITS]
            found[f"pHash 64, up to {CANDIDATE_BITS}, likeness {ALIKE}"] = [*map(float, alike), sum(confirmed)]
    print(" " * 30, *(f"{what:>13}" for what in CHANGES), f"{'pairs':>8}")
    for method, (*recalls, pairs) in found.items():
        print(f"{method:30}", *(f"{recall:13.3f}" for recall in recalls), f"{pairs:8,}")


def main() -> None:
    """Measure drawn faces, or the images of a path."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="drawn:4200:0", help="as train takes it, of grey images")
    parser.add_argument("--size", type=int, default=48, help="pixels of a side of drawn faces")
    parser.add_argument("--images", type=int, default=6000, help="at most so many")
    parser.add_argument("--changed", type=int, default=300, help="images that are changed")
    asked = parser.parse_args()
    source = open_data(asked.data, Preprocessing(asked.size, asked.size, 1))
    chosen = np.random.default_rng(1).permutation(len(source.samples))[: asked.images]
    measure([source.read(source.samples[i]) for i in chosen], asked.changed)


if __name__ == "__main__":
    main()
