"""How far a command has come, in a small file beside the one it works on: whoever is killed goes on from there."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import orjson
from pydantic import TypeAdapter, ValidationError

from shared.process import ExitCode, Refusal

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

S = TypeVar("S", bound="DataclassInstance")


def resume(path: Path, kind: type[S]) -> S | None:
    """What the last run kept in `path`, which is a field of it; raises Refusal for what no such run has written."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return TypeAdapter(kind).validate_python({**orjson.loads(content), "path": path})
    except (orjson.JSONDecodeError, TypeError, ValidationError) as error:
        raise Refusal(f"{path} is damaged, or of another version: delete it to begin anew", ExitCode.DIED) from error


def keep(path: Path, state: "DataclassInstance") -> None:
    """Whole or not at all, whenever it is killed."""
    content = {name: value for name, value in asdict(state).items() if name != "path"}
    fresh = path.with_suffix(".fresh")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(orjson.dumps(content))
    fresh.rename(path)
