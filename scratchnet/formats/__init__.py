"""Reading and writing trained models."""

from scratchnet.formats.errors import ModelFileError
from scratchnet.formats.native import load_model

__all__ = ["ModelFileError", "load_model"]
