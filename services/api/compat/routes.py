"""GET and POST /api/devices."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from quart import Blueprint, Response
from quart_schema import document_querystring, document_request, document_response, tag

from services.api.auth import Caller, guarded
from services.api.compat import queries
from services.api.compat.schemas import Added, Devices, NewDevice
from services.api.encoding import reply
from services.api.errors import BadRequest
from services.api.inputs import Query, body, query
from services.api.resources import resources
from shared.presence import presence
from shared.profiles import PROFILES
from shared.times import iso_ns

routes = Blueprint("compat", __name__)

_UNITS: Final[Mapping[str, dict[str, str]]] = {
    name: {metric: declared.unit for metric, declared in profile.metrics.items() if declared.unit}
    for name, profile in PROFILES.items()
}
_NOTHING: Final[dict[str, Any]] = {}


@routes.get("/api/devices")
@guarded()
@tag(["devices"])
@document_querystring(Query)
@document_response(Devices)
async def get_devices(caller: Caller) -> Response:
    """All devices with status and latest values."""
    query(Query)
    given = resources()
    rows = await queries.all_devices(given.engine, caller.tenants)
    now_ns, offline_after_s = time.time_ns(), given.settings.offline_after_s
    return reply([_device(row, now_ns, offline_after_s) for row in rows])


@routes.post("/api/devices")
@guarded()
@tag(["devices"])
@document_request(NewDevice)
@document_response(Added, 201)
async def add_device(caller: Caller) -> Response:
    """Add a device, or name one that registered itself."""
    new = await body(NewDevice)
    if not await queries.add_device(resources().engine, new, caller.user_id, time.time_ns()):
        raise BadRequest("Device ID already exists", "device_exists", field="device_id")
    resources().registry_changed()
    return reply({"message": "Device added successfully"}, 201)


def _device(row: Sequence[Any], now_ns: int, offline_after_s: float) -> dict[str, Any]:
    key, device_id, name, profile, claimed, measurement, seen_ns, newest, status, status_ns = row
    values = (orjson.loads(newest) if isinstance(newest, str) else newest) or _NOTHING
    declared = PROFILES.get(profile)
    return {
        "id": key,
        "device_id": device_id,
        "name": name,
        "status": presence((status, status_ns) if status else None, seen_ns, now_ns, offline_after_s),
        "last_seen": iso_ns(seen_ns) if seen_ns is not None else None,
        "temperature": values.get("temperature"),
        "humidity": values.get("humidity"),
        "pressure": values.get("pressure"),
        "values": values,
        "measurement": measurement or (declared.measurement if declared else ""),
        "profile": profile,
        "units": _UNITS.get(profile, _NOTHING),
        "claimed": bool(claimed),
    }
