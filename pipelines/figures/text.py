"""Words in figures, which may be names that users have given."""


def plain(text: str) -> str:
    """Text that is drawn as it is: between two dollar signs Matplotlib would see a formula.

    What cannot be printed, such as bytes of a file name that are no UTF-8, becomes a question mark; line breaks stay.
    """
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text).replace("$", r"\$")


def legend_entry(text: str) -> str:
    """The same for a legend, which leaves out what begins with an underscore."""
    return plain(f" {text}" if text.startswith("_") else text)
