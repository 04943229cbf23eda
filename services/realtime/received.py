"""What a client got from the store although its announcement was still on its way: it must not come a second time."""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import orjson

from services.realtime.group import Chunk


class _Got(NamedTuple):
    until: float
    values: dict[str, Any]


class Received:
    """`rows`: readings as the client saw them. Kept until `until`, by `clock`; after that everything passes."""

    def __init__(self, rows: Iterable[dict[str, Any]], clock: Callable[[], float], until: float) -> None:
        self._clock = clock
        self._until = until
        self.readings: dict[tuple[str, str, str], _Got] = {}
        for row in rows:
            self.readings.setdefault(_identity(row), _Got(until, {})).values.update(row["values"])

    def __len__(self) -> int:
        return len(self.readings)

    def take_over(self, earlier: "Received") -> None:
        """What an earlier subscription of the same client got, for as long as that is kept."""
        now = self._clock()
        for key, got in earlier.readings.items():
            if key in self.readings:
                self.readings[key] = _Got(self._until, got.values | self.readings[key].values)
            elif got.until >= now:
                self.readings[key] = got

    def without(self, chunk: Chunk) -> Chunk:
        """The same chunk, nearly always: else the rows that bring something new."""
        now = self._clock()
        if now > self._until:
            self.readings.clear()
        if not self.readings:
            return chunk
        rows = chunk.rows
        left = [row for row in rows if not self._has(row, now)]
        return chunk if len(left) == len(rows) else Chunk([orjson.dumps(row).decode() for row in left], chunk.cursor)

    def _has(self, row: dict[str, Any], now: float) -> bool:
        got = self.readings.get(_identity(row))
        # a device may say one moment in several messages: what is new in this one must get through
        return got is not None and got.until >= now and row["values"].items() <= got.values.items()


def _identity(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["device_id"], row["measurement"], row["timestamp"]
