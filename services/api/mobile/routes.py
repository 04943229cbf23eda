"""GET /api/v1/mobile/summary."""

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from quart import Blueprint, Response
from quart_schema import document_querystring, document_response, tag

from services.api.analytics.scan import PAGE, Budget, record
from services.api.auth import Caller, guarded
from services.api.encoding import reply
from services.api.inputs import query
from services.api.mobile.queries import Wanted, page_of_devices
from services.api.mobile.schemas import Summary, SummaryQuery
from services.api.mobile.today import Day, measured, summary
from services.api.resources import resources
from services.api.zones import day_of
from shared.presence import presence
from shared.times import iso_ns
from shared.timeseries.store import RawQuery

routes = Blueprint("mobile", __name__)


@routes.get("/api/v1/mobile/summary")
@guarded()
@tag(["analytics"])
@document_querystring(SummaryQuery)
@document_response(Summary)
async def mobile_summary(caller: Caller) -> Response:
    """Each device's last values and today's figures, in one small answer: about 2 KB for five devices."""
    asked, given, now_ns = query(SummaryQuery), resources(), time.time_ns()
    day, start_ns, end_ns = day_of(now_ns, asked.timezone)
    wanted = Wanted(caller.tenants, asked.devices)
    rows, total = await page_of_devices(given.engine, wanted, asked.per_page, (asked.page - 1) * asked.per_page)
    budget = Budget(given.settings.max_points_scanned)
    devices = []
    for row in rows:
        today = await _measured(RawQuery(row[0], caller.tenants, start_ns, end_ns, PAGE), budget)
        devices.append({**_device(row, now_ns, given.settings.offline_after_s), **summary(row[3] or {}, today)})
    return reply({"date": day.isoformat(), "devices": devices, "total": total})


async def _measured(question: RawQuery, budget: Budget) -> Day:
    return await asyncio.to_thread(measured, await record(resources().store, question, budget))


def _device(row: Sequence[Any], now_ns: int, offline_after_s: float) -> dict[str, Any]:
    device_id, name, seen_ns, _, word, word_ns = row
    return {
        "device_id": device_id,
        "name": name,
        "status": presence((word, word_ns) if word else None, seen_ns, now_ns, offline_after_s),
        "last_seen": iso_ns(seen_ns) if seen_ns is not None else None,
    }
