"""YuNet's model: a file the user has, the copy in the user's cache, or a download that is checked before it is kept."""

import hashlib
import urllib.error
import urllib.request
from contextlib import suppress
from functools import partial
from pathlib import Path

from pipelines.errors import UserError
from pipelines.files import write_whole
from pipelines.reading import read_file
from scratchnet.kernels.cache import cache_folder

# from OpenCV's collection of models; the licence of this one is MIT
URL = "https://github.com/opencv/opencv_zoo/raw/main/models/face_detection_yunet/face_detection_yunet_2023mar.onnx"
SHA256 = "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"
NAME = "face_detection_yunet_2023mar.onnx"
LARGEST = 4 * 2**20
TIMEOUT = 30


def yunet_model(path: Path | None = None, *, download: bool = True) -> bytes:
    """The bytes of YuNet's ONNX file.

    Args:
        path: The file to read; None for the one in the cache, which is downloaded if it is not there.
        download: Whether it may be.

    Raises:
        UserError: The file is missing, cannot be fetched, or is not the one that was expected.
    """
    if path is not None:
        try:
            return read_file(path)
        except OSError as error:
            raise UserError(f"{path}: the detector's model cannot be read, {error.strerror}") from error
    cache = _cache()
    if cache is not None and cache.is_file():
        data = cache.read_bytes()
        if hashlib.sha256(data).hexdigest() == SHA256:
            return data
    if not download:
        raise UserError(f"YuNet's model is not in the cache; get it from {URL} and pass it with --detector-model")
    data = _fetch()
    if cache is not None:
        with suppress(OSError):  # then it will be fetched again
            write_whole(cache, partial(Path.write_bytes, data=data))
    return data


def _cache() -> Path | None:
    kernels = cache_folder()
    return None if kernels is None else kernels.parent / "models" / NAME


def _fetch() -> bytes:
    remedy = f"get {URL} with another machine and pass it with --detector-model, or use --detector haar"
    try:
        with urllib.request.urlopen(URL, timeout=TIMEOUT) as answer:
            data = bytes(answer.read(LARGEST + 1))
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise UserError(f"YuNet's model could not be fetched ({reason}); {remedy}") from error
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise UserError(f"what came for YuNet's model is not the file that was expected; {remedy}")
    return data
