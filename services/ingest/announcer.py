"""Who is told of a committed batch: in one process realtime itself; across processes the broker's live tree."""

from collections.abc import Callable
from typing import Protocol

from services.ingest.stages import counted
from shared.readings import ReadingBatch


class Announcer(Protocol):
    """Told after the commit, never before: live may run ahead of the store, never ahead of the disk."""

    def announce(self, batch: ReadingBatch) -> None: ...


class DirectAnnouncer:
    """Hands the batch over in the same process: the value that the broker would carry."""

    def __init__(self, publish: Callable[[ReadingBatch], None]) -> None:
        self._publish = publish

    @counted("announce")
    def announce(self, batch: ReadingBatch) -> None:
        self._publish(batch)
