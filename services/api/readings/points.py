"""Readings of many devices as they were sent, or so many of them as draw the same line."""

import asyncio
from array import array
from collections.abc import Sequence
from typing import Final, NamedTuple

from services.api.errors import BadRequest
from services.api.readings.asking import MAX_ROWS, Asked, Key, Page
from services.api.readings.downsample import Method, chosen
from shared.readings import Reading, Value
from shared.timeseries.store import Kind, RawPage, RawQuery

_AT_ONCE: Final = 10_000
_After = tuple[int, str, int] | None


class Line(NamedTuple):
    """All points of one metric."""

    times: "array[int]"
    values: list[Value]


async def points_page(asked: Asked) -> Page:
    """As they were sent: device after device, until the page is full."""
    page, most = Page(), min(MAX_ROWS, asked.allowance)
    place, after = 0, asked.at.after
    while place < len(asked.device_ids) and page.number < most:
        device_id, room = asked.device_ids[place], (most - page.number) // len(asked.metrics)
        found = await _raw(asked, device_id, max(1, min(_AT_ONCE, room)), after)
        for key, line in _lines(found.readings).items():
            page.add(key, [list(point) for point in zip(line.times, line.values, strict=True)])
        after = _end(found)
        if after is None:
            place += 1
    page.at = asked.on(place, after=after)
    return page


async def downsampled_page(asked: Asked, most: int, method: Method) -> Page:
    """Device after device, each read whole; raises BadRequest for one that is too much for a page."""
    page, left, place = Page(), asked.allowance, 0
    while place < len(asked.device_ids) and left > 0 and page.number < MAX_ROWS:
        lines = await _whole(asked, asked.device_ids[place], left)
        if lines is None and place == 0:
            raise _too_many(asked)
        if lines is None:
            break
        left -= sum(len(line.times) for line in lines.values())
        for key, rows in (await asyncio.to_thread(_thinned, lines, most, method)).items():
            page.add(key, rows)
        place += 1
    page.at = asked.on(place)
    return page


async def _whole(asked: Asked, device_id: str, most: int) -> dict[Key, Line] | None:
    """All lines of a device; None if they have more points than that."""
    found: dict[Key, Line] = {}
    after: _After = None
    number = 0
    while True:
        page = await _raw(asked, device_id, _AT_ONCE, after)
        for key, line in _lines(page.readings).items():
            known = found.setdefault(key, Line(array("q"), []))
            known.times.extend(line.times)
            known.values.extend(line.values)
            number += len(line.times)
        after = _end(page)
        if number > most:
            return None
        if after is None:
            return found


async def _raw(asked: Asked, device_id: str, limit: int, after: _After) -> RawPage:
    start_ns, end_ns = asked.at.start_ns, asked.at.end_ns
    return await asked.store.raw(
        RawQuery(device_id, asked.tenants, start_ns, end_ns, limit, asked.metrics, after=after)
    )


def _end(page: RawPage) -> _After:
    """The last reading of a page that goes on."""
    if not page.more:
        return None
    last = page.readings[-1]
    return last.ts_ns, last.measurement, last.user_id


def _lines(readings: Sequence[Reading]) -> dict[Key, Line]:
    found: dict[Key, Line] = {}
    for device_id, user_id, measurement, ts_ns, values in readings:
        for metric, value in values.items():
            line = found.setdefault((device_id, user_id, measurement, metric, _kind(value)), Line(array("q"), []))
            line.times.append(ts_ns)
            line.values.append(value)
    return found


def _kind(value: Value) -> Kind:
    return "number" if isinstance(value, float) else "boolean" if isinstance(value, bool) else "string"


def _thinned(lines: dict[Key, Line], most: int, method: Method) -> dict[Key, list[list[Value]]]:
    return {
        key: [[line.times[place], line.values[place]] for place in chosen(line.times, line.values, most, method)]
        for key, line in lines.items()
    }


def _too_many(asked: Asked) -> BadRequest:
    said = f"{asked.device_ids[0]} has more than {asked.allowance} values in this range, too many to downsample"
    mend = "ask for a shorter range or fewer metrics, or for windows (every)"
    return BadRequest(f"{said}: {mend}", "too_many_points", field="max_points")
