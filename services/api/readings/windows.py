"""Aggregates in windows, of as many devices as one page may read."""

from collections.abc import Sequence
from typing import Final

from services.api.errors import BadRequest
from services.api.readings.asking import MAX_ROWS, Asked, Key, Page
from services.api.readings.fill import Fill, filled
from services.api.readings.plan import Pace, number_of, part_of
from shared.timeseries.calendar import Run
from shared.timeseries.store import Aggregate, WindowQuery, WindowRow, WindowSeries

# of one question to a store: more make it no quicker, and its answer has to fit into memory
_MOST_DEVICES: Final = 200


class WindowsPage:
    """Whole devices, as many as may be read; of one that is too much for a page, its windows up to some point.

    A device whose gaps are filled always comes whole, because what stands in a gap depends on both of its sides.
    """

    def __init__(self, asked: Asked, runs: Sequence[Run], aggregates: Sequence[Aggregate], fill: Fill) -> None:
        self._asked = asked
        self._runs = runs
        self._aggregates = aggregates
        self._fill: Fill = fill
        self._total = number_of(runs)
        self._pace = Pace(asked.allowance, runs)
        self._found: dict[Key, list[WindowRow]] = {}
        self._rows = 0

    async def read(self) -> Page:
        """Raises BadRequest for a device that is too much to be filled."""
        place, window = 0, self._asked.at.window
        while place < len(self._asked.device_ids) and self._pace.left > 0 and self._room(window):
            number, devices = self._piece(window)
            group = self._asked.device_ids[place : place + devices]
            await self._take(group, window, number)
            window += number
            if window >= self._total:
                place, window = place + len(group), 0
        if window and self._fill != "none":
            self._drop(place)
            window = 0
        return self._page(place, window)

    def _room(self, window: int) -> int:
        """How many more windows of every metric fit; 0 if a device that must come whole does not."""
        room = max(0, MAX_ROWS - self._rows) // len(self._asked.metrics)
        if self._fill == "none":
            return room
        return room if room >= self._total or window or not self._rows else 0

    def _piece(self, window: int) -> tuple[int, int]:
        """How many windows of how many devices to ask for next."""
        room, size = self._room(window), self._pace.size
        number = min(self._total - window, size, max(room, 1) if self._fill == "none" else self._total)
        if number < self._total:
            return number, 1
        return number, max(1, min(size // number, room // number, _MOST_DEVICES))

    async def _take(self, group: Sequence[str], window: int, number: int) -> None:
        asked, part = self._asked, part_of(self._runs, window, number)
        start_ns, end_ns = asked.at.start_ns, asked.at.end_ns
        wanted = WindowQuery(group, asked.tenants, asked.metrics, self._aggregates, start_ns, end_ns, part)
        series = await asked.store.windows(wanted)
        self._pace.took(len(group) * number, sum(row.number for each in series for row in each.rows))
        for device_id, user_id, measurement, metric, kind, rows in series:
            self._found.setdefault((device_id, user_id, measurement, metric, kind), []).extend(rows)
            self._rows += len(rows) if self._fill == "none" else number

    def _drop(self, place: int) -> None:
        """Leave a device that was begun to the next page."""
        device_id = self._asked.device_ids[place]
        if place == 0:
            said = f"{device_id} has more than {self._asked.allowance} values in this range, too many to fill its gaps"
            mend = "ask for a shorter range or fewer metrics, or leave out fill"
            raise BadRequest(f"{said}: {mend}", "too_many_points", field="fill")
        self._found = {key: rows for key, rows in self._found.items() if key[0] != device_id}

    def _page(self, place: int, window: int) -> Page:
        page = Page(at=self._asked.on(place, window))
        for key, rows in self._found.items():
            shown = filled(WindowSeries(*key, rows), self._runs, self._aggregates, self._fill)
            page.add(key, [[row.start_ns, *row.values] for row in shown])
        return page
