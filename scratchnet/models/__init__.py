"""Models: graphs of layers that can be trained, evaluated, used and saved."""

from scratchnet.models.model import Model
from scratchnet.models.sequential import Sequential

__all__ = ["Model", "Sequential"]
