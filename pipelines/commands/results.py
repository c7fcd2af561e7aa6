"""Options that say where results go: `--csv FILE`, and `--json`, which prints, or writes the file that follows it."""

from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from pipelines.errors import UserError
from pipelines.files import file_in_the_way

# in place of a file's name
PRINTED = "-"

JsonOption = Annotated[
    str | None,
    typer.Option("--json", metavar="[FILE]", help="Print JSON instead of a table, or write it to this .json."),
]


class JsonCommand(TyperCommand):
    """Lets `--json` stand alone, for printing, or before a file that ends in .json.

    Anything else that follows it is an image, and must not be written to.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give a `--json` that stands alone the value that means printing."""
        options = args[: args.index("--")] if "--" in args else args
        rewritten: list[str] = []
        for position, word in enumerate(options):
            if word == "--json":
                following = options[position + 1] if position + 1 < len(options) else ""
                rewritten.append("--json" if following.lower().endswith(".json") else f"--json={PRINTED}")
            else:
                rewritten.append(word)
        return super().parse_args(ctx, rewritten + args[len(options) :])


def json_file_of(option: str | None) -> Path | None:
    """The file that `--json` names; None where it prints or was not given."""
    return None if option in {None, PRINTED} else Path(str(option))


def check_files(csv: Path | None, json: Path | None) -> None:
    """Raise a UserError for files that could not be written, or would take the place of something else."""
    for option, path, suffix in (("--csv", csv, ".csv"), ("--json", json, ".json")):
        if path is not None and path.suffix.lower() != suffix:
            raise UserError(f"{option} names the file to write, which must end in {suffix}, got {path}")
        if path is not None and path.is_dir():
            raise UserError(f"{option} names the file to write, but {path} is a folder")
        if path is not None and (file := file_in_the_way(path.parent)):
            raise UserError(f"{option} names {path} to be written, but {file} is a file, not a folder")
