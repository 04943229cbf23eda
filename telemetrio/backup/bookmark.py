"""How far a restore has come, in a small file beside the archive: of which archive, and into which system."""

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

import orjson

from shared.process import ExitCode, Refusal


@dataclass
class Bookmark:
    """`begun`: the system was found empty; `database`: the relational data are there; `parts`: so many of readings.

    `refused`: so many of them the store did not take; `rest_bytes`: so long is the file in which they are; `owner`: the
    highest of theirs.
    """

    path: Path = field(repr=False)
    archive: str
    system: str
    begun: bool = False
    database: bool = False
    parts: int = 0
    refused: int = 0
    rest_bytes: int = 0
    owner: int = 0

    @classmethod
    def of(cls, file: Path, archive: str, system: str) -> Self:
        """Where the last run left it, if that was of this archive and into this system."""
        path = file.with_name(f"{file.name}.restoring")
        fresh = cls(path, archive, system)
        try:
            known = orjson.loads(path.read_bytes())
        except FileNotFoundError:
            return fresh
        except orjson.JSONDecodeError as error:
            raise Refusal(f"{path} is damaged: delete it to begin anew", ExitCode.DIED) from error
        if (known.get("archive"), known.get("system")) != (archive, system):
            return fresh
        return cls(path, **known)

    def save(self) -> None:
        """Whole or not at all, whenever it is killed."""
        content = {name: value for name, value in asdict(self).items() if name != "path"}
        fresh = self.path.with_suffix(".fresh")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(orjson.dumps(content))
        fresh.rename(self.path)

    def forget_readings(self) -> None:
        """They are put into the store from the first one on."""
        self.parts = self.refused = self.rest_bytes = 0

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
