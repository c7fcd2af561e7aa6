"""What goes wrong with files."""


class ModelFileError(ValueError):
    """A model file cannot be used. The message names the file, what is wrong with it, and the remedy."""
