"""The newest values seen in the feed, for as long as the table of latest values may still lack them."""

from collections import OrderedDict
from collections.abc import Callable, Container, Iterator
from typing import NamedTuple

from shared.readings import Reading


class Known(NamedTuple):
    """A device that exists, its owner, and its newest values (None: it has sent nothing yet)."""

    device_id: str
    user_id: int
    reading: Reading | None


class Recent:
    """Readings of each device, the oldest first, that together hold each metric once: of its newest time.

    Merged into one they would have one time, and what is late would be taken for newer than the table's. Forgotten
    `keep_s` after the device was last published.
    """

    def __init__(self, clock: Callable[[], float], keep_s: float) -> None:
        self._clock = clock
        self._keep_s = keep_s
        self._newest: OrderedDict[str, tuple[float, tuple[Reading, ...]]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._newest)

    def __iter__(self) -> Iterator[Reading]:
        return (reading for _, readings in self._newest.values() for reading in readings)

    def get(self, device_id: str) -> tuple[Reading, ...]:
        """None is there of a device that was not seen."""
        seen = self._newest.get(device_id)
        return seen[1] if seen else ()

    def add(self, reading: Reading) -> None:
        seen = self._newest.get(reading.device_id)
        self._newest[reading.device_id] = (self._clock(), (reading,) if seen is None else _over(seen[1], reading))
        self._newest.move_to_end(reading.device_id)

    def forget(self) -> None:
        """Drop what the table must have by now."""
        oldest = self._clock() - self._keep_s
        while self._newest:
            device_id = next(iter(self._newest))
            if self._newest[device_id][0] >= oldest:
                return
            del self._newest[device_id]


def _over(before: tuple[Reading, ...], reading: Reading) -> tuple[Reading, ...]:
    """With one more, which may be late."""
    last = before[-1]
    if last.user_id != reading.user_id:
        return (reading,)
    if last.measurement != reading.measurement:
        return (reading,) if reading.ts_ns >= last.ts_ns else before
    if len(before) == 1 and reading.ts_ns >= last.ts_ns and last.values.keys() <= reading.values.keys():
        return (reading,)  # nearly always
    older = [_without(each, reading.values) for each in before if each.ts_ns <= reading.ts_ns]
    newer = [each for each in before if each.ts_ns > reading.ts_ns]
    left = _without(reading, {name for each in newer for name in each.values})
    return tuple(each for each in (*older, left, *newer) if each.values)


def _without(reading: Reading, names: Container[str]) -> Reading:
    return reading._replace(values={name: value for name, value in reading.values.items() if name not in names})


def newest(before: Reading, after: Reading) -> Reading:
    """Both merged, per metric: the later time wins, and between equal times what was published `after`.

    A device that changed hands begins anew: its former owner's values never show under the new one. So does one whose
    measurement changed.
    """
    if before.user_id != after.user_id:
        return after
    older, newer = (before, after) if after.ts_ns >= before.ts_ns else (after, before)
    if older.measurement != newer.measurement or older.values.keys() <= newer.values.keys():
        return newer
    return newer._replace(values={**older.values, **newer.values})
