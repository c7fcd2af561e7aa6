"""Words in figures, which may be names that users have given."""


def plain(text: str) -> str:
    """Text that is drawn as it is: between two dollar signs Matplotlib would see a formula."""
    return text.replace("$", r"\$")


def legend_entry(text: str) -> str:
    """The same for a legend, which leaves out what begins with an underscore."""
    return plain(f" {text}" if text.startswith("_") else text)
