"""Random orthogonal matrices whose bits depend on the seed alone."""

import numpy as np

from scratchnet.arrays import FloatArray
from scratchnet.kernels.gemm import matmul

PASSES = 2  # of CholeskyQR: the second one leaves nothing but rounding


def orthogonal_matrix(rows: int, columns: int, generator: np.random.Generator) -> FloatArray:
    """A matrix with orthonormal columns, or rows if these are fewer, uniformly distributed among all of them.

    It is the Q of a Gaussian matrix A = QR, with the diagonal of R positive. LAPACK's bits depend on the number of
    threads; here they do not: by CholeskyQR2 (Yamamoto et al., 2015, https://etna.math.kent.edu/vol.44.2015), R is the
    Cholesky factor of A^T A, and all large products run on the engine's own kernels, whose sums have one order.
    Time and memory are those of two products of A with a small matrix.

    Args:
        rows: of the matrix.
        columns: of the matrix.
        generator: draws the Gaussian matrix.

    Returns:
        float32 (rows, columns).
    """
    q: FloatArray = generator.standard_normal((max(rows, columns), min(rows, columns)))
    for _ in range(PASSES):
        triangle = _inverse(_cholesky(matmul(q, q, transpose_a=True)))
        q = matmul(q, triangle, transpose_b=True)
    return np.ascontiguousarray(q if rows >= columns else q.T, np.float32)


def _cholesky(a: FloatArray) -> FloatArray:
    """The lower triangle L of a = L L^T, column by column; einsum's sums do not go through a BLAS."""
    lower = np.zeros_like(a)
    for j in range(len(a)):
        column = a[j:, j] - np.einsum("ik,k->i", lower[j:, :j], lower[j, :j])
        lower[j:, j] = column / np.sqrt(column[0])
    return lower


def _inverse(lower: FloatArray) -> FloatArray:
    """The inverse of a lower triangle, by forward substitution."""
    inverse = np.zeros_like(lower)
    for i in range(len(lower)):
        inverse[i] = -np.einsum("k,kj->j", lower[i, :i], inverse[:i])
        inverse[i, i] += 1
        inverse[i] /= lower[i, i]
    return inverse
