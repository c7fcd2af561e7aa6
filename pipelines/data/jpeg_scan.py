"""One scan of a JPEG, gone through code by code: whether its compressed data are such as an encoder writes.

Libraries that decode JPEGs take nearly any bits for pixels. What tells damage is what they pass over or note on the
standard error alone: codes that are none, data that end too early or go on behind the last block, and brightness beyond
black and white, since each block's is told as the difference to that of the block before. See ITU-T T.81, annexes F, G.
"""

import numpy as np
from numpy.typing import NDArray

from scratchnet.kernels.jit import kernel

Bytes = NDArray[np.uint8]
Numbers = NDArray[np.int64]

SOUND, ENDS_EARLY, DAMAGED = 0, 1, 2

# the columns of a table of components: their blocks in an MCU across and down, their tables of codes, the DC's
# quantisation, the first of their blocks among those of the image, and blocks from one row to the next
ACROSS, DOWN, DC_CODES, AC_CODES, STEP, FIRST, STRIDE = range(7)
# of 8 times the mean of a block's pixels less 128, and some more for encoders that round in a way of their own
_LARGEST_DC = 1024 + 8
_NO_CODE = -1


@kernel
def _ahead(data: Bytes, at: int) -> int:
    # the next 16 bits
    byte = at >> 3
    three = np.int64(data[byte]) << 16 | np.int64(data[byte + 1]) << 8 | np.int64(data[byte + 2])
    return int(three >> (8 - (at & 7)) & 0xFFFF)


@kernel
def _code(data: Bytes, at: int, codes: Numbers, symbols: Bytes, table: int) -> int:
    # the next symbol, and behind its eight bits the length of its code
    ahead = _ahead(data, at)
    for length in range(1, 17):
        if ahead < codes[table, length - 1, 0]:
            place = (ahead >> (16 - length)) + codes[table, length - 1, 1]
            return int(length << 8 | np.int64(symbols[table, place & 0xFF]))
    return _NO_CODE


@kernel
def _refine(
    data: Bytes, at: int, codes: Numbers, symbols: Bytes, table: int, first: int, last: int, own: Bytes, run: int
) -> tuple[int, int]:
    # a block's coefficients get a bit each, and some that were zero appear; returns the place, and `run` as it is then
    k = first
    while run == 0 and k <= last:
        found = _code(data, at, codes, symbols, table)
        if found < 0:
            return at, -1
        at += found >> 8
        zeros, size = found >> 4 & 15, found & 15
        if size == 0 and zeros < 15:
            run = (1 << zeros) + (_ahead(data, at) >> (16 - zeros))
            at += zeros
            break
        at += size
        while k <= last and (own[k] or zeros):
            if own[k]:
                at += 1
            else:
                zeros -= 1
            k += 1
        if size:
            if k > last or size > 1:
                return at, -1
            own[k] = 1
        k += 1
    if run:
        for rest in range(k, last + 1):
            at += own[rest]
        run -= 1
    return at, run


@kernel
def walk_scan(
    data: Bytes,
    segments: Numbers,
    scan: Numbers,
    codes: Numbers,
    symbols: Bytes,
    mcus: int,
    mcus_across: int,
    restart: int,
    first: int,
    last: int,
    refines: bool,
    shift: int,
    filled: Bytes,
) -> tuple[int, int]:
    """Go through the compressed data of one scan.

    Args:
        data: uint8 (bytes,), all compressed data of the scan, without markers and without the zeros behind 0xFF; zeros
            for as long as an MCU can be follow, and never come to an end within the scan.
        segments: int64 (segments, 2), first bit and end of each piece of `data` that begins anew.
        scan: int64 (components, 7), see `ACROSS` and the others.
        codes: int64 (8, 16, 2), of each table for each length of codes: the 16 bits that are behind its last code and
            those before it, and what leads from a code to its symbol.
        symbols: uint8 (8, 256).
        mcus: in the scan.
        mcus_across: in a row.
        restart: MCUs in a segment.
        first: coefficient of a block, 0 to 63.
        last: coefficient.
        refines: whether the scan adds a bit to coefficients of earlier ones.
        shift: bits that later scans will add.
        filled: uint8 (blocks, 64), which coefficients of the image are not zero so far; changed. It has no blocks where
            all coefficients come in one scan.

    Returns:
        `SOUND`, and how many bytes of the last segment are left; or `ENDS_EARLY` or `DAMAGED`, and the segment where.
    """
    progressive = len(filled) > 0
    single = len(scan) == 1
    nothing = np.zeros(64, np.uint8)
    dc = np.zeros(len(scan), np.int64)
    left = 0
    for segment in range(len(segments)):
        at, end = segments[segment]
        dc[:] = 0
        run = 0  # blocks without coefficients that follow
        for mcu in range(segment * restart, min(mcus, (segment + 1) * restart)):
            row, column = mcu // mcus_across, mcu % mcus_across
            for c in range(len(scan)):
                across, down = (1, 1) if single else (scan[c, ACROSS], scan[c, DOWN])
                for place in range(across * down):
                    k = first
                    if first == 0:
                        k = 1
                        if refines:
                            at += 1
                        else:
                            found = _code(data, at, codes, symbols, scan[c, DC_CODES])
                            size = found & 0xFF
                            if found < 0 or size > 11:
                                return DAMAGED, segment
                            at += found >> 8
                            bits = _ahead(data, at) >> (16 - size)
                            at += size
                            if size:
                                dc[c] += bits if bits >> (size - 1) else bits - (1 << size) + 1
                            # rounding is by as much as the bits that are still to come
                            if (abs(dc[c]) << shift) * scan[c, STEP] > _LARGEST_DC + (scan[c, STEP] << shift):
                                return DAMAGED, segment
                    if k <= last:
                        own = nothing
                        if progressive:
                            block = (row * down + place // across) * scan[c, STRIDE] + column * across + place % across
                            own = filled[scan[c, FIRST] + block]
                        if refines:
                            at, run = _refine(data, at, codes, symbols, scan[c, AC_CODES], k, last, own, run)
                            if run < 0:
                                return DAMAGED, segment
                        elif run:
                            run -= 1
                        else:
                            while k <= last:
                                found = _code(data, at, codes, symbols, scan[c, AC_CODES])
                                if found < 0:
                                    return DAMAGED, segment
                                zeros, size = found >> 4 & 15, found & 15
                                at += (found >> 8) + size
                                if size == 0 and zeros < 15:
                                    run = (1 << zeros) - 1 + (_ahead(data, at) >> (16 - zeros))
                                    at += zeros
                                    break
                                k += zeros
                                if size:
                                    if k > last:
                                        return DAMAGED, segment
                                    own[k] = 1
                                k += 1
                            if run and not progressive:
                                return DAMAGED, segment
            if at > end:
                return ENDS_EARLY, segment
        left = (end - at) // 8
        if left and segment + 1 < len(segments):
            return DAMAGED, segment
    return SOUND, left
