"""What was heard of one file of one ingest: nearly always everything from some seq on, sometimes with holes."""

from bisect import bisect_right
from typing import Final

from shared.readings import ReadingBatch
from shared.times import MAX_NS

_MAX_RANGES: Final = 1_000


class Track:
    """`top`: the newest seq known of; `stored`: up to there all is in the store; `at`: how far it was heard in time."""

    __slots__ = ("_firsts", "_lasts", "at", "stored", "top")

    def __init__(self) -> None:
        self.top = 0
        self.stored = 0
        self.at = 0
        # ranges of seqs, in order, no two of which touch
        self._firsts: list[int] = []
        self._lasts: list[int] = []

    def hear(self, batch: ReadingBatch) -> bool:
        """Whether its readings are new. One whose prev is its own seq is a heartbeat: nobody was told of a batch."""
        self.stored = max(self.stored, batch.stored_seq)
        new = batch.prev < batch.seq and self._add(batch.seq)
        if batch.seq >= self.top:  # one of before, told again, says nothing about what came since
            self.top = batch.seq
            self.at = max(self.at, batch.committed_ns)
        return new

    def close(self) -> None:
        """Its source went on to another file: nothing more will be said of this one."""
        self.stored = MAX_NS

    def _add(self, seq: int) -> bool:
        place = bisect_right(self._firsts, seq)
        if place and seq <= self._lasts[place - 1]:
            return False
        joins_left = place > 0 and self._lasts[place - 1] == seq - 1
        joins_right = place < len(self._firsts) and self._firsts[place] == seq + 1
        if joins_left and joins_right:
            self._lasts[place - 1] = self._lasts.pop(place)
            del self._firsts[place]
        elif joins_left:
            self._lasts[place - 1] = seq
        elif joins_right:
            self._firsts[place] = seq
        else:
            self._firsts.insert(place, seq)
            self._lasts.insert(place, seq)
            if len(self._firsts) > _MAX_RANGES:
                # holes so old are never filled: nothing of them is new any more
                del self._firsts[1], self._lasts[0]
        return True
