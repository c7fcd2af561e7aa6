"""Answers for image files: what is asked about, how faces are framed, what the model says, and how that is told."""
