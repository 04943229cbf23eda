"""GET and POST /api/devices."""

import time

from quart import Blueprint, Response
from quart_schema import document_querystring, document_request, document_response, tag

from services.api.audit.records import note
from services.api.auth import Caller, guarded
from services.api.compat import queries
from services.api.compat.schemas import Added, ListedDevices, NamedDevice
from services.api.devices import changes
from services.api.devices.rows import told
from services.api.encoding import reply
from services.api.errors import BadRequest
from services.api.inputs import Query, body, query
from services.api.resources import resources

routes = Blueprint("compat", __name__)


@routes.get("/api/devices")
@guarded()
@tag(["devices"])
@document_querystring(Query)
@document_response(ListedDevices)
async def get_devices(caller: Caller) -> Response:
    """All devices with status and latest values."""
    query(Query)
    given = resources()
    rows, known = await queries.all_devices(given.engine, caller.tenants)
    now_ns, offline_after_s = time.time_ns(), given.settings.offline_after_s
    return reply(told(rows, known, now_ns, offline_after_s))


@routes.post("/api/devices")
@guarded()
@tag(["devices"])
@document_request(NamedDevice)
@document_response(Added, 201)
async def name_device(caller: Caller) -> Response:
    """Add a device, or name one that registered itself."""
    new = await body(NamedDevice)
    row = {**new.model_dump(), "user_id": caller.user_id, "disabled": False}
    claim = {**new.model_dump(include=new.model_fields_set - {"device_id"}), "user_id": caller.user_id}
    added = await changes.add_device(resources().engine, row, claim, time.time_ns())
    if added is None:
        raise BadRequest("Device ID already exists", "device_exists", field="device_id")
    resources().registry_changed()
    if added == "claimed":
        await note("device_claimed", caller.user_id, f"device {new.device_id}")
    return reply({"message": "Device added successfully"}, 201)
