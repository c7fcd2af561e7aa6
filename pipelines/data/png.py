"""PNG files, looked through before they are decoded: what is damaged is named, and what is not decodes in silence."""

import zlib

from pipelines.data.errors import DataError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
# of the chunks that a decoder may pass over, those that change pixels: the others can only make libpng complain
_WANTED = {b"tRNS", b"eXIf", b"acTL", b"fcTL", b"fdAT"}
_ESSENTIAL = 0x20  # this bit is not set in the first letter of a chunk that no decoder may pass over


def sound_png(data: bytes, name: str) -> bytes:
    """A PNG as libpng decodes it without a note: with the chunks that it needs alone, whose checksums were compared.

    Args:
        data: The whole file, which begins with the signature.
        name: What messages call it.

    Raises:
        DataError: It is damaged or cut short.
    """
    chunks, at, kind = [SIGNATURE], len(SIGNATURE), b""
    while kind != b"IEND":
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        if end > len(data) or len(kind) < 4:
            raise DataError(f"{name}: the image is cut short")
        if zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise DataError(f"{name}: the image is damaged, a checksum in it does not fit")
        if kind in _WANTED or not kind[0] & _ESSENTIAL:
            chunks.append(data[at:end])
        at = end
    return b"".join(chunks)
