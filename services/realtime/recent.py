"""The newest values seen in the feed, for as long as the table of latest values may still lack them."""

from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import NamedTuple

from shared.readings import Reading


class Known(NamedTuple):
    """A device that exists, its owner, and its newest values (None: it has sent nothing yet)."""

    device_id: str
    user_id: int
    reading: Reading | None


class Recent:
    """One merged reading per device, forgotten `keep_s` after it was last published."""

    def __init__(self, clock: Callable[[], float], keep_s: float) -> None:
        self._clock = clock
        self._keep_s = keep_s
        self._newest: OrderedDict[str, tuple[float, Reading]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._newest)

    def __iter__(self) -> Iterator[Reading]:
        return (reading for _, reading in self._newest.values())

    def get(self, device_id: str) -> Reading | None:
        seen = self._newest.get(device_id)
        return seen[1] if seen else None

    def add(self, reading: Reading) -> None:
        seen = self._newest.get(reading.device_id)
        if seen is not None:
            reading = newest(seen[1], reading)
        self._newest[reading.device_id] = (self._clock(), reading)
        self._newest.move_to_end(reading.device_id)

    def forget(self) -> None:
        """Drop what the table must have by now."""
        oldest = self._clock() - self._keep_s
        while self._newest:
            device_id = next(iter(self._newest))
            if self._newest[device_id][0] >= oldest:
                return
            del self._newest[device_id]


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
