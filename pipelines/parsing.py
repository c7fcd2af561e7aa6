"""What stands in files that users can reach: JSON, TOML, and values of the kinds that are needed.

Everything wrong in such a file is found here, when it is read, and blamed on the file by name. What fails later is a
fault of the program, and must look like one.
"""

import json
import tomllib
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from pipelines.errors import UserError
from pipelines.reading import read_text

Kind = TypeVar("Kind")
Count = Annotated[int, Field(ge=0, lt=2**53)]
Share = Annotated[float, Field(ge=0, le=1)]


class Told(BaseModel):
    """An object in a file, of which the named fields are used; there may be others."""

    model_config = ConfigDict(strict=True, extra="allow", frozen=True)


def parse_json(text: str | bytes, where: object, remedy: str = "") -> Any:
    """The value of a JSON text.

    Args:
        text: from a file.
        where: what messages call it.
        remedy: what the user can do about it; ends the message.

    Raises:
        UserError: it is no JSON, or none that can be held.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise damaged(where, _reason(error), remedy) from error


def read_json(path: Path, remedy: str = "") -> Any:
    """`parse_json` of a file, whose texts may hold file names of any bytes.

    Raises:
        UserError: as there.
        OSError: the file cannot be read.
    """
    return parse_json(read_text(path, "surrogateescape"), path, remedy)


def parse_toml(text: str) -> dict[str, Any]:
    """The tables of a TOML text.

    Raises:
        ValueError: it is no TOML, or none that can be held; the message says no more than why.
    """
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(_reason(error)) from error


def checked(content: Any, kind: type[Kind], where: object, remedy: str = "") -> Kind:
    """What `kind`, a dataclass or a model of pydantic's, makes of a file's content.

    Raises:
        UserError: a value is missing or of another kind; the message says which.
    """
    try:
        return TypeAdapter(kind).validate_python(content)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
        place = ".".join(map(str, fault["loc"]))[:80]
        reason = f"it lacks {place!r}" if fault["type"] == "missing" else f"{place}: {fault['msg']}".removeprefix(": ")
        raise damaged(where, reason, remedy) from error


def damaged(where: object, reason: str, remedy: str = "") -> UserError:
    """The error for a file that cannot be used."""
    return UserError(f"{where} is damaged: {reason}{f'; {remedy}' if remedy else ''}")


def _reason(error: ValueError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "its brackets are nested too deeply"
    # Python's own limit says how a programmer would lift it
    return "it holds a number of too many digits" if type(error) is ValueError else str(error)
