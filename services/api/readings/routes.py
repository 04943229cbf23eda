"""GET /api/v1/devices/{device_id}/readings and /api/v1/readings/latest, POST /api/v1/readings/query."""

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
from quart import Blueprint, Response, request
from quart_schema import document_querystring, document_request, document_response, tag

from services.api.auth import Caller, guarded
from services.api.encoding import reply
from services.api.errors import BadRequest, NotFound
from services.api.heavy import in_turn
from services.api.inputs import body, query
from services.api.moments import Epoch, Teller, teller
from services.api.readings import cursor, queries
from services.api.readings.answers import answered
from services.api.readings.questions import ReadingsQuestion, SeriesPage
from services.api.readings.schemas import Latest, LatestQuery, ReadingsPage, ReadingsQuery
from services.api.resources import resources
from shared.identifiers import is_device_id
from shared.timeseries.store import RawPage, RawQuery

routes = Blueprint("readings", __name__)


@routes.get("/api/v1/devices/<device_id>/readings")
@guarded()
@tag(["readings"])
@document_querystring(ReadingsQuery)
@document_response(ReadingsPage)
async def device_readings(caller: Caller, device_id: str) -> Response:
    """Readings of one device in a range, page by page, as they were sent."""
    asked = query(ReadingsQuery)
    given = resources()
    if not is_device_id(device_id):
        raise _not_found()
    wanted = _raw_query(caller, device_id, asked)
    # both at once, the longer one first: what the store gives is filtered by tenant of its own accord, and dropped
    # where there is no device
    page, exists = await asyncio.gather(
        given.store.raw(wanted), queries.device_exists(given.engine, device_id, caller.tenants)
    )
    if not exists:
        raise _not_found()
    return reply({"data": _readings(page, asked.epoch), "cursor": _next(page, wanted)})


@routes.get("/api/v1/readings/latest")
@guarded()
@tag(["readings"])
@document_querystring(LatestQuery)
@document_response(Latest)
async def latest_readings(caller: Caller) -> Response:
    """The newest value of every metric of many devices. It reads one row per device, and never history."""
    asked = query(LatestQuery)
    rows = await queries.latest_values(resources().engine, asked.wanted, caller.tenants)
    known = {row[0] for row in rows}
    told = teller(asked.epoch)
    return reply(
        {
            "data": [shown for row in rows if (shown := _latest(row, asked.metrics, told))],
            "unknown": [] if asked.wanted is None else [one for one in asked.wanted if one not in known],
        }
    )


@routes.post("/api/v1/readings/query")
@guarded(scope="read")
@in_turn
@tag(["readings"])
@document_request(ReadingsQuestion)
@document_response(SeriesPage)
async def query_readings(caller: Caller) -> Response:
    """Many devices in one call.

    With `every` or `aggregates`: windows, each with its aggregates. With `max_points`: fewer points that draw the same
    line. With neither: readings as they were sent. A long answer comes in pages: send the same body again with the
    `cursor` of the page before, until it is null.
    """
    asked = (await body(ReadingsQuestion)).checked()
    given = await request.get_json()
    written = orjson.dumps({**given, "cursor": None, "epoch": None}, option=orjson.OPT_SORT_KEYS).decode()
    answer = await answered(resources(), caller.tenants, asked, f"{request.path} {written}")
    return reply(answer)


def _not_found() -> NotFound:
    return NotFound("Device not found", "device_not_found")


def _latest(row: Sequence[Any], metrics: Sequence[str] | None, told: Teller) -> dict[str, Any] | None:
    device_id, measurement, ts_ns, newest = row
    values = {name: value for name, value in (newest or {}).items() if metrics is None or name in metrics}
    if not values:
        return None
    return {"device_id": device_id, "timestamp": told(ts_ns), "measurement": measurement, "values": values}


def _raw_query(caller: Caller, device_id: str, asked: ReadingsQuery) -> RawQuery:
    start_ns, end_ns = asked.start, asked.end
    after: tuple[int, str, int] | None = None
    if asked.cursor is not None:
        at = cursor.decode(asked.cursor, _question())
        start_ns, end_ns, after = at.start_ns, at.end_ns, (at.after_ns, at.after_measurement, at.after_user)
    elif start_ns >= end_ns:
        raise BadRequest("start must be before end", "empty_range", field="start")
    return RawQuery(
        device_id, caller.tenants, start_ns, end_ns, asked.limit, asked.metrics, order=asked.order, after=after
    )


def _question() -> str:
    """What a cursor is bound to: the path and the parameters that choose and order readings."""
    chosen = {name: request.args.get(name) for name in ("start", "end", "metrics", "order")}
    return f"{request.path} {chosen}"


def _next(page: RawPage, asked: RawQuery) -> str | None:
    if not page.more or not page.readings:
        return None
    last = page.readings[-1]
    position = cursor.Position(asked.start_ns, asked.end_ns, last.ts_ns, last.measurement, last.user_id)
    return cursor.encode(position, _question())


def _readings(page: RawPage, epoch: Epoch | None) -> orjson.Fragment:
    told = teller(epoch)
    shown = [
        {"device_id": device_id, "timestamp": told(ts_ns), "measurement": measurement, "values": values}
        for device_id, _, measurement, ts_ns, values in page.readings
    ]
    # all names are texts, which orjson need not find out of each
    return orjson.Fragment(orjson.dumps(shown))
