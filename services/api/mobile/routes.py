"""GET /api/v1/mobile/summary."""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any, Final

from quart import Blueprint, Response
from quart_schema import document_querystring, document_response, tag

from services.api.analytics.knee import AXES
from services.api.analytics.scan import PAGE, Budget, record
from services.api.auth import Caller, guarded
from services.api.encoding import reply
from services.api.heavy import in_turn
from services.api.inputs import query
from services.api.mobile.queries import Wanted, page_of_devices
from services.api.mobile.schemas import Summary, SummaryQuery
from services.api.mobile.today import FIGURES, Day, added_up, measured, parts, summary
from services.api.resources import resources
from services.api.zones import day_of
from shared.presence import presence
from shared.times import iso_ns
from shared.timeseries.calendar import Run
from shared.timeseries.store import RawQuery, WindowQuery, WindowSeries

routes = Blueprint("mobile", __name__)

MINUTE_NS: Final = 60_000_000_000
# metrics of devices in one question to the store: with the minutes of a day, 300,000 windows
MAX_LINES: Final = 200


@routes.get("/api/v1/mobile/summary")
@guarded()
@in_turn
@tag(["analytics"])
@document_querystring(SummaryQuery)
@document_response(Summary)
async def mobile_summary(caller: Caller) -> Response:
    """Each device's last values and today's figures, in one small answer: about 2 KB for five devices."""
    asked, given, now_ns = query(SummaryQuery), resources(), time.time_ns()
    day, start_ns, end_ns = day_of(now_ns, asked.timezone)
    wanted = Wanted(caller.tenants, asked.devices)
    rows, total = await page_of_devices(given.engine, wanted, asked.per_page, (asked.page - 1) * asked.per_page)
    days = await _days(rows, caller.tenants, start_ns, end_ns)
    offline_after_s = given.settings.offline_after_s
    devices = [{**_device(row, now_ns, offline_after_s), **summary(row[3] or {}, days[row[0]])} for row in rows]
    return reply({"date": day.isoformat(), "devices": devices, "total": total})


async def _days(rows: Sequence[Any], tenants: Sequence[int] | None, start_ns: int, end_ns: int) -> Mapping[str, Day]:
    """The store adds up for all devices at once; only a knee's repetitions need its readings one by one."""
    newest = {row[0]: row[3] or {} for row in rows}
    knees = [device_id for device_id, values in newest.items() if values.keys() >= set(AXES)]
    others = [device_id for device_id in newest if device_id not in knees]
    days = await _added_up({device_id: newest[device_id] for device_id in others}, tenants, (start_ns, end_ns))
    budget = Budget(resources().settings.max_points_scanned)
    for device_id in knees:
        question = RawQuery(device_id, tenants, start_ns, end_ns, PAGE)
        days[device_id] = await asyncio.to_thread(measured, await record(resources().store, question, budget))
    return days


async def _added_up(
    metrics_of: Mapping[str, Collection[str]], tenants: Sequence[int] | None, day_ns: tuple[int, int]
) -> dict[str, Day]:
    start_ns, end_ns = day_ns
    whole, minutes = Run(start_ns, end_ns - start_ns, 1), Run(start_ns, MINUTE_NS, (end_ns - start_ns) // MINUTE_NS)
    figures: dict[str, list[WindowSeries]] = {device_id: [] for device_id in metrics_of}
    active: dict[str, list[WindowSeries]] = {device_id: [] for device_id in metrics_of}
    store = resources().store
    for device_ids, metrics in parts(metrics_of, MAX_LINES):
        ask = partial(WindowQuery, device_ids, tenants, metrics, start_ns=start_ns, end_ns=end_ns)
        for series in await store.windows(ask(aggregates=FIGURES, runs=[whole])):
            figures[series.device_id].append(series)
        for series in await store.windows(ask(aggregates=["count"], runs=[minutes])):
            active[series.device_id].append(series)
    return {device_id: added_up(figures[device_id], active[device_id]) for device_id in metrics_of}


def _device(row: Sequence[Any], now_ns: int, offline_after_s: float) -> dict[str, Any]:
    device_id, name, seen_ns, _, word, word_ns = row
    return {
        "device_id": device_id,
        "name": name,
        "status": presence((word, word_ns) if word else None, seen_ns, now_ns, offline_after_s),
        "last_seen": iso_ns(seen_ns) if seen_ns is not None else None,
    }
