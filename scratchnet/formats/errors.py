"""What goes wrong with files."""

# what a description that contradicts itself can provoke
MISFITS = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, MemoryError, RecursionError)


class ModelFileError(ValueError):
    """A model file cannot be used. The message names the file, what is wrong with it, and the remedy."""
