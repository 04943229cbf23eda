"""How far a restore has come, in a small file beside the archive: of which archive, and into which system."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from telemetrio.resumption import keep, resume


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
        known = resume(path, cls)
        if known is None or (known.archive, known.system) != (archive, system):
            return cls(path, archive, system)
        return known

    def save(self) -> None:
        keep(self.path, self)

    def forget_readings(self) -> None:
        """They are put into the store from the first one on."""
        self.parts = self.refused = self.rest_bytes = 0

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)
