"""What was announced lately, and all that the store may lack: a resume that it covers costs the store nothing."""

from collections import deque
from collections.abc import Callable, Iterable
from operator import attrgetter
from typing import Final, NamedTuple

from services.realtime.cursor import Key
from shared.readings import ReadingBatch

# what a decoded reading and each of its metrics take in memory, dictionaries and all
_BATCH_BYTES: Final = 500
_READING_BYTES: Final = 450
_METRIC_BYTES: Final = 110


class Entry(NamedTuple):
    """`number` counts publications: two of different sources have an order too."""

    number: int
    heard_s: float
    bytes: int
    batch: ReadingBatch


class Ring:
    """Batches by (source, epoch), in order of publication, bounded in bytes.

    `stored`: up to which seq the store has all of a file. What is above it stays however old it is, unless the bound
    is reached: then the oldest of all goes, and if it was not stored that is counted in `left_unstored`.
    """

    def __init__(self, keep_s: float, limit_bytes: int, stored: Callable[[Key], int]) -> None:
        self._keep_s = keep_s
        self._limit_bytes = limit_bytes
        self._stored = stored
        self._entries: dict[Key, deque[Entry]] = {}
        self.number = 0
        self.bytes = 0
        self.left_unstored = 0

    def __len__(self) -> int:
        return sum(map(len, self._entries.values()))

    def add(self, batch: ReadingBatch, now_s: float) -> None:
        """Keep one that was never heard before."""
        self.number += 1
        size = _size(batch)
        self._entries.setdefault((batch.source, batch.epoch), deque()).append(Entry(self.number, now_s, size, batch))
        self.bytes += size
        while self.bytes > self._limit_bytes:
            key = min(self._entries, key=lambda each: self._entries[each][0].number)
            entry = self._drop(key)
            self.left_unstored += entry.batch.seq > self._stored(key)

    def forget(self, now_s: float) -> None:
        """To be called now and then: drops what is both old and stored."""
        oldest = now_s - self._keep_s
        for key in list(self._entries):
            stored = self._stored(key)
            while (entries := self._entries.get(key)) and entries[0].heard_s < oldest:
                if entries[0].batch.seq > stored:
                    break
                self._drop(key)

    def after(self, key: Key, seq: int) -> list[Entry]:
        """What is here of a file, above a seq."""
        return [entry for entry in self._entries.get(key, ()) if entry.batch.seq > seq]

    def until(self, key: Key, seq: int) -> list[Entry]:
        """What is here of a file, up to and with a seq."""
        return [entry for entry in self._entries.get(key, ()) if entry.batch.seq <= seq]

    def since(self, number: int) -> list[Entry]:
        """What was published after a publication, in order."""
        return in_order(entry for entries in self._entries.values() for entry in entries if entry.number > number)

    def _drop(self, key: Key) -> Entry:
        entry = self._entries[key].popleft()
        if not self._entries[key]:
            del self._entries[key]
        self.bytes -= entry.bytes
        return entry


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    return sorted(entries, key=attrgetter("number"))


def _size(batch: ReadingBatch) -> int:
    """A guess, without a look at every reading: the readings of a batch are much alike."""
    metrics = len(batch.readings[0].values) if batch.readings else 0
    return _BATCH_BYTES + len(batch.readings) * (_READING_BYTES + metrics * _METRIC_BYTES)
