"""The one error type for mistakes in the user's data."""

from pipelines.errors import UserError


class DataError(UserError):
    """Data that cannot be used as asked: the message names the thing and, where it helps, the remedy."""
