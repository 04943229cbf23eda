"""A place in the stream: for each source the last announcement seen, as an opaque text that a client hands back."""

import base64
from typing import Final

import orjson

from shared.readings import ReadingBatch

CURSOR_VERSION: Final = 1


class Position:
    """How far each source has been read. An announcement is known by (source, epoch, seq) and counts once."""

    def __init__(self) -> None:
        self._at = 0
        self._newest: dict[str, list[str | int]] = {}
        self._seen: dict[tuple[str, str], int] = {}
        self._text: str | None = None

    def advance(self, batch: ReadingBatch) -> bool:
        """False: it was read before. Within an epoch a source announces in order."""
        key = (batch.source, batch.epoch)
        if batch.seq <= self._seen.get(key, -1):
            return False
        self._seen[key] = batch.seq
        self._newest[batch.source] = [batch.epoch, batch.seq]
        self._at = max(self._at, batch.committed_ns)
        self._text = None
        return True

    @property
    def cursor(self) -> str:
        """base64url of `{v, at, pos}`; `at` is ingest's commit time. Encoded once for all clients at this place."""
        if self._text is None:
            body = orjson.dumps({"v": CURSOR_VERSION, "at": self._at, "pos": self._newest})
            self._text = base64.urlsafe_b64encode(body).rstrip(b"=").decode()
        return self._text
