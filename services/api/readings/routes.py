"""GET /api/v1/devices/{device_id}/readings."""

from collections.abc import Callable
from typing import Any, Final

from quart import Blueprint, Response, request
from quart_schema import document_querystring, document_response, tag

from services.api.auth import Caller, guarded
from services.api.encoding import reply
from services.api.errors import BadRequest, NotFound
from services.api.inputs import query
from services.api.readings import cursor, queries
from services.api.readings.schemas import Epoch, ReadingsPage, ReadingsQuery
from services.api.resources import resources
from shared.identifiers import is_device_id
from shared.readings import Reading
from shared.times import iso_ns
from shared.timeseries.store import RawPage, RawQuery

routes = Blueprint("readings", __name__)

_NS_PER: Final[dict[Epoch, int]] = {"ns": 1, "us": 1_000, "ms": 1_000_000, "s": 1_000_000_000}


@routes.get("/api/v1/devices/<device_id>/readings")
@guarded()
@tag(["readings"])
@document_querystring(ReadingsQuery)
@document_response(ReadingsPage)
async def device_readings(caller: Caller, device_id: str) -> Response:
    """Readings of one device in a range, page by page, as they were sent."""
    asked = query(ReadingsQuery)
    given = resources()
    if not is_device_id(device_id) or not await queries.device_exists(given.engine, device_id, caller.tenants):
        raise NotFound("Device not found", "device_not_found")
    wanted = _raw_query(caller, device_id, asked)
    page = await given.store.raw(wanted)
    return reply({"data": _readings(page, asked.epoch), "cursor": _next(page, wanted)})


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


def _readings(page: RawPage, epoch: Epoch | None) -> list[dict[str, Any]]:
    told: Callable[[int], str | int] = iso_ns if epoch is None else (lambda ns: ns // _NS_PER[epoch])
    return [_reading(reading, told) for reading in page.readings]


def _reading(reading: Reading, told: Callable[[int], str | int]) -> dict[str, Any]:
    device_id, _, measurement, ts_ns, values = reading
    return {"device_id": device_id, "timestamp": told(ts_ns), "measurement": measurement, "values": values}
