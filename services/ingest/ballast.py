"""Room on the disk: how much is free, and a file that is given up first when there is none.

On a full disk SQLite can't even delete (it would have to write its log): giving up the ballast makes room for that.
"""

import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

BALLAST_BYTES: Final = 16 * 1024 * 1024
_LOOK_EVERY_S: Final = 0.5


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
                os.posix_fallocate(file.fileno(), 0, BALLAST_BYTES)
        except OSError:
            self.give_up()
            return False
        self._laid = True
        return True

    def give_up(self) -> None:
        self._laid = False
        with suppress(OSError):  # a disk that can't be written at all gives nothing back either
            self._path.unlink(missing_ok=True)

    def short(self) -> str | None:
        """Say so when less than the bound is free; looks at the disk twice a second at most."""
        now = time.monotonic()
        if now - self._looked_s >= _LOOK_EVERY_S:
            self._free = shutil.disk_usage(self._path.parent).free
            self._looked_s = now
        if self._free >= self._min_free:
            return None
        return f"{self._free >> 20} MiB free on the disk, TELEMETRIO_MIN_FREE_DISK_MIB is {self._min_free >> 20}"
