"""Room on the disk: how much is free, and a file that is given up first when there is none.

On a full disk SQLite can't even delete (it would have to write its log): giving up the ballast makes room for that.
"""

import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

from services.ingest.errors import OutboxFull

T = TypeVar("T")

BALLAST_BYTES: Final = 16 * 1024 * 1024
_LOOK_EVERY_S: Final = 0.5
# what SQLite says of a disk that takes no more, or can't be written at all
_NO_ROOM: Final = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}


class Ballast:
    """Lies beside the outbox. Called on the outbox's thread alone."""

    def __init__(self, directory: Path, min_free_bytes: int) -> None:
        self._path = directory / "ballast"
        self._min_free = min_free_bytes
        self._looked_s = -_LOOK_EVERY_S
        self._free = 0
        self._laid = False

    def lay(self) -> bool:
        """Make the file if it isn't there; False while there is no room for it."""
        if self._laid:
            return True
        try:
            with self._path.open("wb") as file:
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(file.fileno(), 0, BALLAST_BYTES)
                else:  # macOS
                    file.write(bytes(BALLAST_BYTES))
        except OSError:
            self.give_up()
            return False
        self._laid = True
        return True

    def give_up(self) -> None:
        self._laid = False
        with suppress(OSError):  # a disk that can't be written at all gives nothing back either
            self._path.unlink(missing_ok=True)

    def room_for(self, work: Callable[[], T]) -> T:
        """Run a transaction; raises OutboxFull where the disk takes no more."""
        try:
            return work()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _NO_ROOM:
                raise
            self.give_up()  # so that deleting what was stored can go on
            raise OutboxFull(f"the outbox can't be written: {error}") from error

    def short(self) -> str | None:
        """Say so when less than the bound is free, or nothing for itself; looks at the disk twice a second at most.

        It is laid again before anything is taken: filled by new groups, it could not help to delete old ones.
        """
        now = time.monotonic()
        if now - self._looked_s >= _LOOK_EVERY_S:
            self._free = shutil.disk_usage(self._path.parent).free
            self._looked_s = now
        if self._free >= self._min_free:
            return (
                None if self.lay() else f"the disk has no room for the {BALLAST_BYTES >> 20} MiB kept free for deleting"
            )
        return f"{self._free >> 20} MiB free on the disk, TELEMETRIO_MIN_FREE_DISK_MIB is {self._min_free >> 20}"
