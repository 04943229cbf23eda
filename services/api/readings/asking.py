"""A question about many devices as it is carried out, and a page of its answer."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from services.api.readings.cursor import Spot
from shared.timeseries.store import Kind, TimeSeriesStore

# points, or windows of one metric: what an answer may hold
MAX_ROWS: Final = 50_000

# device, owner, measurement, metric and kind
Key = tuple[str, int, str, str, Kind]


@dataclass(frozen=True, slots=True)
class Asked:
    """`device_ids`: in order, from the one with which this page begins; `at`: where in it, and the range.

    `allowance`: how many values a page may read.
    """

    store: TimeSeriesStore
    tenants: Sequence[int] | None
    device_ids: Sequence[str]
    metrics: Sequence[str]
    at: Spot
    allowance: int

    def on(self, place: int, window: int = 0, after: tuple[int, str, int] | None = None) -> Spot | None:
        """Where the next page begins; None behind the last device."""
        if place >= len(self.device_ids):
            return None
        return self.at._replace(device_id=self.device_ids[place], window=window, after=after)


@dataclass(slots=True)
class Page:
    """`series`: rows of a time and its values; `number` of them in all; `at`: where the next page begins."""

    series: dict[Key, list[list[Any]]] = field(default_factory=dict)
    number: int = 0
    at: Spot | None = None

    def add(self, key: Key, rows: Sequence[list[Any]]) -> None:
        self.series.setdefault(key, []).extend(rows)
        self.number += len(rows)
