"""The subcommands of `scratchnet` that have subcommands of their own."""
