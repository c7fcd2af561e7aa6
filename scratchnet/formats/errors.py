"""What goes wrong with files."""

# what a description that contradicts itself can provoke
MISFITS = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, MemoryError, RecursionError)


class ModelFileError(ValueError):
    """A model file cannot be used. The message names the file, what is wrong with it, and the remedy.

    Args:
        message: in which a file's own words may stand; what a terminal would obey is escaped.
    """

    def __init__(self, message: str) -> None:
        super().__init__("".join(c if c.isprintable() else ascii(c)[1:-1] for c in message))
