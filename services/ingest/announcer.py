"""Who is told of a committed batch: in one process realtime itself; across processes the broker's live tree."""

from collections.abc import Callable
from dataclasses import replace
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
        self._last: ReadingBatch | None = None

    @counted("announce")
    def announce(self, batch: ReadingBatch) -> None:
        # rows of an earlier run are announced again, with older numbers
        if self._last is None or batch.epoch != self._last.epoch or batch.seq > self._last.seq:
            self._last = batch
        self._publish(batch)

    def beat(self, standing: ReadingBatch) -> None:
        """That nothing was left out so far, and what is stored by now. `standing`: how far ingest has come.

        What was announced last counts: a row may be on disk already whose turn to be announced is yet to come.
        """
        last = self._last = self._last or standing
        self._publish(replace(standing, epoch=last.epoch, seq=last.seq, prev=last.seq))
