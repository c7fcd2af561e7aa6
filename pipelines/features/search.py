"""The images whose vectors are most like those of given ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from pipelines.data.decode import decode_image
from pipelines.data.errors import DataError
from pipelines.data.sample import Sample, Source
from pipelines.errors import UserError
from pipelines.features.vectors import VectorMaker, Vectors
from pipelines.reading import read_file

Metric = Literal["cosine", "euclidean"]
Pixels = NDArray[np.uint8]

ROWS = 4096  # of vectors that are compared at once, in double precision
# what a metric's figure is called
FIGURES: dict[Metric, str] = {"cosine": "similarity", "euclidean": "distance"}


@dataclass(frozen=True, eq=False)
class Query:
    """An image that is looked for.

    Attributes:
        name: of its file.
        pixels: uint8 (height, width) or (height, width, 3) RGB.
    """

    name: str
    pixels: Pixels


@dataclass(frozen=True, eq=False)
class Found:
    """An image like the query.

    Attributes:
        sample: of the data.
        class_name: of it.
        figure: the cosine of the angle between both vectors, from -1 to 1; or their Euclidean distance.
        copy: whether it is, pixel by pixel, the query as the vectors' maker sees both.
        pixels: as in `Query`.
    """

    sample: Sample
    class_name: str
    figure: float
    copy: bool
    pixels: Pixels

    def to_json(self, metric: Metric) -> dict[str, Any]:
        """What is told of it."""
        figures = {FIGURES[metric]: self.figure, "copy_of_query": self.copy}
        return {"image": self.sample.name, "class": self.class_name, **figures}


def read_query(path: Path) -> Query:
    """Read an image file of any format, size and colour.

    Raises:
        UserError: it cannot be read.
    """
    try:
        return Query(str(path), decode_image(read_file(path), str(path)))
    except OSError as error:
        raise UserError(f"the query {path} cannot be read: {error.strerror or error}") from error
    except DataError as error:
        raise UserError(f"the query cannot be read: {error}") from error


def search(
    maker: VectorMaker, source: Source, vectors: Vectors, queries: Sequence[Query], count: int, metric: Metric
) -> list[list[Found]]:
    """The most similar images for each query, the most similar first; of equals, the first of the data.

    Args:
        maker: of all vectors.
        source: of the images.
        vectors: of the images that are looked through.
        queries: that are looked for.
        count: images for each query, at most.
        metric: `cosine` leaves lengths of vectors aside, and with them much of an image's contrast.

    Raises:
        UserError: a query has a vector that is not finite.
    """
    made = maker.preprocessing
    prepared = [made(query.pixels) for query in queries]
    asked = maker(made.scaled(np.stack(prepared)))
    for query, vector in zip(queries, asked, strict=True):
        if not np.isfinite(vector).all():
            raise UserError(f"{maker.name} makes numbers that are not finite of {query.name}; train the model again")
    result = []
    for image, vector in zip(prepared, asked, strict=True):
        distances = _distances(vector, vectors.array, metric)
        places = np.argsort(distances, kind="stable")[:count]
        found = []
        for distance, place in zip(distances[places].tolist(), places.tolist(), strict=True):
            sample = vectors.samples[place]
            pixels = source.read(sample)
            figure = 1 - distance if metric == "cosine" else distance
            name = vectors.class_names[sample.label]
            found.append(Found(sample, name, figure, np.array_equal(made(pixels), image), pixels))
        result.append(found)
    return result


def _distances(asked: NDArray[np.float32], array: NDArray[np.float32], metric: Metric) -> NDArray[np.float64]:
    """The distance of a vector to each: (n,). Equal vectors are equally far to the last bit, wherever they stand."""
    chunks = [array[start : start + ROWS] for start in range(0, len(array), ROWS)]
    distances = np.concatenate([cdist(asked[None], chunk, metric)[0] for chunk in chunks])
    # a vector of zeros has no direction
    return np.where(np.isnan(distances), 1.0, distances)
