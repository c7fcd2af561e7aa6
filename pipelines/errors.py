"""Mistakes that a user can mend. The command prints the sentence, without a traceback."""


class UserError(ValueError):
    """One sentence that names the thing and the remedy."""


class TrainingInterruptedError(UserError):
    """The user has stopped the work; the sentence says how it goes on."""
