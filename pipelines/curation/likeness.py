"""Whether two images show the same picture: a perceptual hash suggests pairs, and their pixels decide.

The hash alone accuses pictures that plainly differ. `python benchmarks/near_duplicates.py` changes 300 images, counts
how many of these are found again, and how many of all other pairs of images are called near duplicates. Of 4,200 drawn
faces of 48x48 pixels, all of them different pictures (8.8 million pairs), and with `--data` of 6,000 faces of FER-2013,
some of which are the same photograph (18 million pairs), it found:

    drawn faces, FER-2013            JPEG 30        2% moved       2% cropped     other pairs
    64-bit pHash, up to 4 bits       0.967 1.000    0.467 0.453    0.477 0.483       19    49
    64-bit pHash, up to 8 bits       1.000 1.000    0.887 0.923    0.923 0.930    1,140   173
    64-bit dHash, up to 4 bits       0.940 0.993    0.273 0.280    0.487 0.623       83    98
    256-bit pHash, up to 32 bits     0.993 1.000    0.107 0.050    0.137 0.187        0    28
    64-bit pHash and likeness        1.000 0.997    0.883 0.920    0.747 0.890        0    76

All of the 76 show one photograph, by eye. One threshold serves all sizes: of 2,000 drawn faces each of 16, 24, 32 and
96 pixels (`--data drawn:2000:0 --size 16`) none are confused either.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

# bits by which perceptual hashes differ at most where they alone decide, which at worst keeps images together or drops
# a frame of a film
NEAR_BITS = 4
# and where pixels have the last word
CANDIDATE_BITS = 8
# correlation of details from which two images show the same picture
ALIKE = 0.94
SIDE = 32
# standard deviations of the blurs between which details lie, in pixels of SIDE
FINE, COARSE = 1.0, 3.0
# pixels of SIDE by which one image may be moved against the other
REACH = 2
# standard deviation, of 255, below which there are no details to compare
FLAT = 0.5


def details(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What a picture shows beyond light and framing, whatever its size, colours and compression.

    Args:
        pixels: uint8, (height, width) or (height, width, 1) grey, or (height, width, 3) RGB.

    Returns:
        float32 (32, 32): the difference of two blurs.
    """
    grey = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) if pixels.shape[2:] == (3,) else pixels.reshape(pixels.shape[:2])
    small = cv2.resize(np.asarray(grey, np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.GaussianBlur(small, (0, 0), FINE) - cv2.GaussianBlur(small, (0, 0), COARSE), np.float32)


def likeness(first: NDArray[np.float32], second: NDArray[np.float32]) -> float:
    """The correlation of two pictures' `details`, in the best of some small displacements: -1 to 1; 0 without details.

    Args:
        first: float32 (32, 32).
        second: of the other; the order makes no difference.
    """
    if min(first.std(), second.std()) < FLAT:
        return 0.0
    inner = slice(REACH, SIDE - REACH)
    return max(
        float(cv2.matchTemplate(one, np.ascontiguousarray(other[inner, inner]), cv2.TM_CCOEFF_NORMED).max())
        for one, other in ((first, second), (second, first))
    )
