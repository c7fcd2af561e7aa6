"""Equal pixels have equal hashes, and others have others."""

import hashlib

import numpy as np

from pipelines.data.content import content_hash


def test_the_content_hash_is_the_sha256_of_shape_dtype_and_pixels() -> None:
    pixels = np.arange(6, dtype=np.uint8).reshape(2, 3)
    assert content_hash(pixels) == hashlib.sha256(b"(2, 3) |u1 " + bytes(range(6))).hexdigest()


def test_the_content_hash_is_that_of_the_values_and_not_of_their_layout() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (5, 4, 3)).astype(np.uint8)
    assert content_hash(pixels) == content_hash(np.asfortranarray(pixels))
    assert content_hash(pixels) == content_hash(np.repeat(pixels, 2, axis=0)[::2])
    wide = pixels.astype(np.uint16)
    assert content_hash(wide) == content_hash(wide.astype(">u2"))
    changed = pixels.copy()
    changed[4, 3, 2] ^= 1
    others = [changed, pixels.reshape(4, 5, 3), wide, pixels[:, :, 0]]
    assert len({content_hash(pixels), *map(content_hash, others)}) == 5
