"""Whether an outbox's files can be trusted: looked at under the lock, at each start, before anything is written.

SQLite checks its log frame by frame and quietly leaves out what lies behind a bad one. It was acknowledged, so that is
damage here: the index of the log (-shm), which survives a killed process, and the log's own marks tell how far it went.
"""

import sqlite3
import struct
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Final

from services.ingest.errors import OutboxFull
from services.ingest.soundness import unsound

# what SQLite says of a disk that takes no more, can't be read or written, or of a file that somebody else has locked
_NOT_THE_FILE: Final = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_NOMEM,
}
_LOG_HEADER: Final = 32
_FRAME_HEADER: Final = 24


def beside(path: Path, suffix: str) -> Path:
    """SQLite's own files: `-wal` and `-shm`."""
    return path.with_name(path.name + suffix)


def read_only(path: Path) -> sqlite3.Connection:
    """What lies there stays as it is: closed, a connection that may write would put the log into the file."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=10)


def find_damage(path: Path) -> str | None:
    """Say what is wrong, or None; raises OutboxFull when it is the disk and not the file."""
    log = beside(path, "-wal")
    if not path.exists() or not path.stat().st_size:
        return "the file is gone, and its log is left" if log.exists() and log.stat().st_size else None
    promised = max(_indexed_frames(path), _written_frames(log))
    try:
        with closing(read_only(path)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchall()  # reads the log, makes its index anew
            whole = _indexed_frames(path)
            if whole < promised:
                return f"only {whole} of {promised} frames of its log hold"
            (verdict,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
            return unsound(connection) if verdict == "ok" else str(verdict)
    except sqlite3.DatabaseError as error:
        refuse_if_disk(error)
        return str(error)


def refuse_if_disk(error: sqlite3.Error) -> None:
    """Raise OutboxFull for what a mended disk would mend: nothing is set aside then."""
    code = getattr(error, "sqlite_errorcode", 0)  # Python's own errors have none
    if code & 0xFF in _NOT_THE_FILE:
        raise OutboxFull(f"the outbox can't be opened: {error}") from error


def _indexed_frames(path: Path) -> int:
    """How many frames the log had when its index was last written; 0 when all of them are in the file as well."""
    head = _head(beside(path, "-shm"), 100)
    if len(head) < 100 or not head[12]:
        return 0
    frames, moved = struct.unpack_from("=I", head, 16)[0], struct.unpack_from("=I", head, 96)[0]
    log = beside(path, "-wal")
    gone = not log.exists() or not log.stat().st_size
    return 0 if gone and moved >= frames else int(frames)


def _written_frames(log: Path) -> int:
    """The place of the last frame that ended a transaction of the log's present round, by its own marks."""
    head = _head(log, _LOG_HEADER)
    if len(head) < _LOG_HEADER:
        return 0
    magic, _, page_size = struct.unpack_from(">III", head)
    if struct.unpack_from(">II", head, 24) != _checksum(head[:24], ">" if magic & 1 else "<"):
        return 1  # SQLite would take it for an empty one
    last = 0
    with log.open("rb") as file:
        for place in range(1, (log.stat().st_size - _LOG_HEADER) // (_FRAME_HEADER + page_size) + 1):
            file.seek(_LOG_HEADER + (place - 1) * (_FRAME_HEADER + page_size))
            frame = file.read(16)
            if frame[8:16] == head[16:24] and frame[4:8] != b"\x00\x00\x00\x00":
                last = place
    return last


def _head(path: Path, size: int) -> bytes:
    if not path.exists():
        return b""
    with path.open("rb") as file:
        return file.read(size)


def _checksum(data: bytes, order: str) -> Sequence[int]:
    """SQLite's own, of a log's header."""
    first = second = 0
    for one, two in struct.iter_unpack(f"{order}II", data):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + two + first) & 0xFFFFFFFF
    return first, second
