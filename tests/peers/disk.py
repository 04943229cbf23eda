"""A disk of the test's own, small enough to be filled: a tmpfs, mounted where the test wants it. It needs root."""

import os
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Self

_PIECE = bytes(64 * 1024)


class SmallDisk:
    """Mounted while the `with` lasts."""

    def __init__(self, folder: Path, mib: int) -> None:
        self.folder = folder
        self._mib = mib

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        _run("mount", "-t", "tmpfs", "-o", f"size={self._mib}m,mode=0700", "tmpfs", str(self.folder))
        return self

    def __exit__(self, *_: object) -> None:
        _run("umount", "--lazy", str(self.folder))  # a worker that did not stop must not leave a mount behind

    def fill(self) -> None:
        """Until not one byte more fits."""
        with (self.folder / "filler").open("ab", buffering=0) as file:
            size = len(_PIECE)
            while size:
                try:
                    file.write(_PIECE[:size])
                except OSError:
                    size //= 2

    def free(self) -> None:
        (self.folder / "filler").unlink()

    def read_only(self) -> None:
        """The kernel allows it while nobody has a file open for writing."""
        _run("mount", "-o", "remount,ro", str(self.folder))

    def writable(self) -> None:
        _run("mount", "-o", "remount,rw", str(self.folder))


def _run(*words: str) -> None:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@cache
def tmpfs() -> Path | None:
    """Whether this user may mount one, found out by doing it."""
    if os.geteuid():
        return None
    with tempfile.TemporaryDirectory() as folder:
        words = ["-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]
        if subprocess.run(["mount", *words], capture_output=True, check=False).returncode:
            return None
        _run("umount", folder)
    return Path("/proc/filesystems")
