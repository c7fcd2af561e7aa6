"""Principal components of a stream of vectors."""

import numpy as np
from sklearn.decomposition import IncrementalPCA
from threadpoolctl import threadpool_limits

from scratchnet.arrays import FloatArray

CHUNK = 4  # rows per component that are taken at once


class PrincipalComponents:
    """A projection to the directions in which vectors vary most, from vectors that need not be in memory together.

    Rows are gathered into chunks of one size, so the batches that they come in do not change the result; nor does the
    number of threads, because LAPACK, whose bits depend on it, gets one.
    Ross et al., 2008, https://www.cs.toronto.edu/~dross/ivt/.

    Args:
        size: of the vectors.
        dimension: how many components.

    Raises:
        ValueError: there are more components than the vectors have numbers.
    """

    def __init__(self, size: int, dimension: int) -> None:
        if dimension > size:
            raise ValueError(
                f'projection="pca" gives at most {size} numbers for these images, got dimension={dimension}; choose '
                'a smaller one, or projection="orthogonal"'
            )
        self.dimension = dimension
        self._pca = IncrementalPCA(dimension)
        self._waiting: list[FloatArray] = []
        self._rows = 0

    def take(self, vectors: FloatArray) -> None:
        """Learn from vectors (n, size)."""
        self._waiting.append(vectors)
        self._rows += len(vectors)
        chunk = CHUNK * self.dimension
        # enough stay behind for the last chunk to be no smaller than the first must be
        while sum(map(len, self._waiting)) >= chunk + self.dimension:
            rows = np.concatenate(self._waiting)
            self._waiting = [rows[chunk:]]
            self._learn(rows[:chunk])

    def _learn(self, rows: FloatArray) -> None:
        with threadpool_limits(limits=1):
            self._pca.partial_fit(rows.astype(np.float64))

    def matrix_and_offset(self) -> tuple[FloatArray, FloatArray]:
        """`vector @ matrix + offset` are the components, float32.

        Raises:
            ValueError: there were fewer vectors than components.
        """
        if self._rows < self.dimension:
            raise ValueError(
                f'projection="pca" to {self.dimension} numbers needs as many images, got n_samples = {self._rows}; '
                'choose a smaller dimension, or projection="orthogonal"'
            )
        self._learn(np.concatenate(self._waiting))
        self._waiting = []
        components = self._pca.components_
        offset = -np.einsum("ij,j->i", components, self._pca.mean_)
        return components.T.astype(np.float32), offset.astype(np.float32)
