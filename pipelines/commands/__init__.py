"""Subcommands of `scratchnet`, each in a file of its own with a function `register`."""
