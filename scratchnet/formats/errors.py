"""What goes wrong with files."""

# what a description that contradicts itself can provoke
MISFITS = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, MemoryError, RecursionError)


MAX_MESSAGE = 1200  # characters, of which most are needed only where a file's many gaps are listed
MAX_REASON = 200


def cut(text: object, most: int = MAX_REASON) -> str:
    """A text without its middle where it is long: what a file holds shall not fill a terminal."""
    whole = str(text)
    return whole if len(whole) <= most else f"{whole[: most // 2]} ... {whole[-most // 2 :]}"


class ModelFileError(ValueError):
    """A model file cannot be used. The message names the file, what is wrong with it, and the remedy.

    Args:
        message: in which a file's own words may stand; what a terminal would obey is escaped, and what is long is cut.
    """

    def __init__(self, message: str) -> None:
        printable = (c if c.isprintable() else ascii(c)[1:-1] for c in cut(message, MAX_MESSAGE))
        super().__init__(cut("".join(printable), MAX_MESSAGE))
