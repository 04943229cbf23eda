"""The answer to a question about many devices: who is asked, by which page, and how it is told."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final
from zoneinfo import ZoneInfo

import orjson

from services.api.errors import BadRequest
from services.api.moments import Teller, teller
from services.api.readings import cursor, queries
from services.api.readings.asking import MAX_ROWS, Asked, Page
from services.api.readings.plan import number_of
from services.api.readings.points import downsampled_page, points_page
from services.api.readings.questions import ReadingsQuestion
from services.api.readings.schemas import MAX_DEVICES
from services.api.readings.windows import WindowsPage
from services.api.resources import Resources
from shared.timeseries.calendar import Run, TooMany, parse_every, runs_in

MAX_WINDOWS: Final = 10_000


async def answered(
    given: Resources, tenants: Sequence[int] | None, asked: ReadingsQuestion, written: str
) -> dict[str, Any]:
    """One page, as JSON; `written`: the question as the client wrote it, without its cursor."""
    at = cursor.Spot(asked.start, asked.end, "")
    if asked.cursor is not None:
        at = cursor.decode_spot(asked.cursor, written)
    runs = _runs(asked, at)
    devices, unknown, beyond = await _devices(given, tenants, asked, at)
    if devices and devices[0] != at.device_id:
        # the one with which the page was to begin has gone: the next one begins at its beginning
        at = at._replace(device_id=devices[0], window=0, after=None)
    metrics = list(dict.fromkeys(asked.metrics))
    carried = Asked(given.store, tenants, devices, metrics, at, given.settings.max_points_scanned)
    page = await _page(carried, asked, runs)
    if page.at is None and beyond is not None:
        page.at = at._replace(device_id=beyond, window=0, after=None)
    columns = ["time", *asked.told] if asked.told else ["time", "value"]
    series = await asyncio.to_thread(_series, page, columns, teller(asked.epoch))
    following = None if page.at is None else cursor.encode_spot(page.at, written)
    return {"series": series, "unknown": unknown, "cursor": following}


async def _devices(
    given: Resources, tenants: Sequence[int] | None, asked: ReadingsQuestion, at: cursor.Spot
) -> tuple[list[str], list[str], str | None]:
    """Those of this page, those that are not there, and the first one behind this page."""
    if asked.everybody:
        found = await queries.all_devices(given.engine, tenants, at.device_id, MAX_DEVICES + 1)
        return found[:MAX_DEVICES], [], found[MAX_DEVICES] if len(found) > MAX_DEVICES else None
    known = await queries.known_devices(given.engine, asked.devices, tenants)
    unknown = [one for one in dict.fromkeys(asked.devices) if one not in set(known)]
    return [one for one in known if one >= at.device_id], unknown, None


async def _page(carried: Asked, asked: ReadingsQuestion, runs: Sequence[Run]) -> Page:
    if asked.told:
        return await WindowsPage(carried, runs, asked.told, asked.fill).read()
    if asked.max_points is not None:
        return await downsampled_page(carried, asked.max_points, asked.downsample)
    return await points_page(carried)


def _runs(asked: ReadingsQuestion, at: cursor.Spot) -> list[Run]:
    """The windows; the whole range is one if none are asked for. Raises BadRequest."""
    if asked.every is None:
        return [Run(at.start_ns, at.end_ns - at.start_ns, 1)]
    try:
        runs = runs_in(at.start_ns, at.end_ns, parse_every(asked.every), ZoneInfo(asked.timezone), MAX_WINDOWS)
    except TooMany as error:
        raise BadRequest(f"every: {error}", "too_many_windows", field="every") from error
    if asked.fill != "none" and number_of(runs) * len(asked.metrics) > MAX_ROWS:
        said = f"these are more than {MAX_ROWS} windows for each device, too many to fill"
        raise BadRequest(f"{said}: ask for wider ones (every) or fewer metrics", "too_many_windows", field="every")
    return runs


def _series(page: Page, columns: Sequence[str], told: Teller) -> orjson.Fragment:
    """Away from the loop: many rows take a while to write."""
    series = [
        {
            "device_id": device_id,
            "user_id": user_id,
            "measurement": measurement,
            "metric": metric,
            "type": kind,
            "columns": columns,
            "rows": [[told(ts_ns), *values] for ts_ns, *values in rows],
        }
        for (device_id, user_id, measurement, metric, kind), rows in sorted(page.series.items())
    ]
    return orjson.Fragment(orjson.dumps(series))
