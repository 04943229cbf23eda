"""What an archive says of itself: at its beginning where it comes from, at its end what must be in it. Pure."""

from typing import Final

from pydantic import BaseModel, ConfigDict

FORMAT: Final = 1
HEADER: Final = "archive.json"
DATABASE: Final = "database.json"
MANIFEST: Final = "manifest.json"

_FROZEN: Final = ConfigDict(frozen=True)


class Header(BaseModel):
    """Where it comes from. `start_ns` is inclusive, `end_ns` exclusive; `revision`: of the tables, by their migrations.

    `system` tells whether a backup that broke off was one of this system: a digest, which names nobody's servers.
    """

    model_config = _FROZEN

    format: int = FORMAT
    id: str
    version: str
    revision: str
    begun_ns: int
    start_ns: int
    end_ns: int
    asked: str
    system: str


class Tables(BaseModel):
    """Stands behind the last row: the relational data are whole. `spooled`: entries that were not in the store yet."""

    model_config = _FROZEN

    rows: dict[str, int]
    spooled: int


class Entry(BaseModel):
    """A part: how many lines it has, and the SHA-256 of them as they are unpacked."""

    model_config = _FROZEN

    name: str
    rows: int
    sha256: str


class Manifest(BaseModel):
    """Every part, in order. An archive without one was never finished."""

    model_config = _FROZEN

    finished_ns: int
    parts: list[Entry]


def rows_of(entries: list[Entry], folder: str) -> int:
    """How many lines there are in a folder of the archive."""
    return sum(entry.rows for entry in entries if entry.name.startswith(f"{folder}/"))
