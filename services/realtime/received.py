"""What a client got from the store although its announcement was still on its way: it must not come a second time."""

from collections.abc import Callable, Iterable
from typing import Any

import orjson

from services.realtime.group import Chunk
from shared.readings import Reading, Values
from shared.times import iso_ns


class Received:
    """Kept until `until`, by `clock`; after that everything passes."""

    def __init__(self, readings: Iterable[Reading], clock: Callable[[], float], until: float) -> None:
        self._clock = clock
        self._until = until
        self._values: dict[tuple[str, str, str], Values] = {}
        for reading in readings:
            key = reading.device_id, reading.measurement, iso_ns(reading.ts_ns)
            self._values.setdefault(key, {}).update(reading.values)

    def __len__(self) -> int:
        return len(self._values)

    def without(self, chunk: Chunk) -> Chunk:
        """The same chunk, nearly always: else the rows that bring something new."""
        if self._clock() > self._until:
            self._values.clear()
        if not self._values:
            return chunk
        rows = chunk.rows
        left = [row for row in rows if not self._has(row)]
        return chunk if len(left) == len(rows) else Chunk([orjson.dumps(row).decode() for row in left], chunk.cursor)

    def _has(self, row: dict[str, Any]) -> bool:
        known = self._values.get((row["device_id"], row["measurement"], row["timestamp"]))
        # a device may say one moment in several messages: what is new in this one must get through
        return known is not None and row["values"].items() <= known.items()
