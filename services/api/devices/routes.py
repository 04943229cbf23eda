"""/api/v1/devices: list, add, read, change, delete, claim."""

import time
from typing import Final

import orjson
from quart import Blueprint, Response, request
from quart_schema import document_querystring, document_request, document_response, tag

from services.api.audit.records import note
from services.api.auth import Caller, guarded
from services.api.devices import changes, cursor, queries
from services.api.devices.rows import told
from services.api.devices.schemas import Claim, Device, DeviceChange, Devices, DevicesQuery, NewDevice
from services.api.encoding import reply
from services.api.errors import Conflict, Forbidden, NotFound
from services.api.inputs import MAX_PER_PAGE, Query, body, optional_body, query
from services.api.resources import resources
from shared.identifiers import is_device_id

routes = Blueprint("devices", __name__, url_prefix="/api/v1/devices")

_CHOOSING: Final = ("q", "status", "profile", "claimed", "disabled", "user_id")


@routes.get("")
@guarded()
@tag(["devices"])
@document_querystring(DevicesQuery)
@document_response(Devices)
async def list_devices(caller: Caller) -> Response:
    """All devices of the caller that match, with status and newest values: bare, in pages, or step by step."""
    asked = query(DevicesQuery)
    wanted = queries.Filter(caller.tenants, _clock(), **{name: getattr(asked, name) for name in _CHOOSING})
    if asked.stepwise:
        return await _step(wanted, asked)
    if not asked.paged:
        return reply(_told(await queries.all_devices(resources().engine, wanted, asked.sort), wanted.clock))
    page, per_page, offset = asked.window()
    found, total = await queries.page_of_devices(resources().engine, wanted, asked.sort, limit=per_page, offset=offset)
    data = _told(found, wanted.clock)
    return reply({"data": data, "total": total, "page": page, "per_page": per_page})


@routes.post("")
@guarded()
@tag(["devices"])
@document_request(NewDevice)
@document_response(Device, 201)
async def add_device(caller: Caller) -> Response:
    """Add a device, or name one that registered itself."""
    new = await body(NewDevice)
    row = new.model_dump(include={"device_id", "name", "profile", "disabled"})
    row["user_id"] = _owner(caller, new.user_id)
    claim = {name: row[name] for name in row.keys() & new.model_fields_set - {"device_id"}}
    claim["user_id"] = row["user_id"]
    added = await changes.add_device(resources().engine, row, claim, time.time_ns())
    if added is None:
        raise Conflict("Device ID already exists", "device_exists", field="device_id")
    resources().registry_changed()
    if added == "claimed":
        whose = "" if row["user_id"] == caller.user_id else f" for user {row['user_id']}"
        await note("device_claimed", caller.user_id, f"device {new.device_id}{whose}")
    return reply(await _one(caller, new.device_id), 201)


@routes.get("/<device:device_id>")
@guarded()
@tag(["devices"])
@document_querystring(Query)
@document_response(Device)
async def get_device(caller: Caller, device_id: str) -> Response:
    """One device."""
    query(Query)
    return reply(await _one(caller, device_id))


@routes.route("/<device:device_id>", methods=["PATCH", "PUT"])
@guarded()
@tag(["devices"])
@document_request(DeviceChange)
@document_response(Device)
async def change_device(caller: Caller, device_id: str) -> Response:
    """Change what is given, keep the rest. Only administrators give a device to somebody else."""
    _named(device_id)
    change = await body(DeviceChange)
    wanted = change.model_dump(exclude_unset=True)
    _owner(caller, wanted.get("user_id"))
    if wanted:
        changed = await changes.change_device(resources().engine, device_id, caller.tenants, wanted, time.time_ns())
        if changed is None:
            raise _not_found()
        resources().registry_changed()
        if changed == "given":  # with it go the credentials of before
            await note("device_given", caller.user_id, f"device {device_id} to user {wanted['user_id']}")
    return reply(await _one(caller, device_id))


@routes.delete("/<device:device_id>")
@guarded()
@tag(["devices"])
async def delete_device(caller: Caller, device_id: str) -> Response:
    """Delete a device. Its readings stay; what it sends from now on is an unknown device's."""
    _named(device_id)
    if not await changes.delete_device(resources().engine, device_id, caller.tenants, time.time_ns()):
        raise _not_found()
    resources().registry_changed()
    await note("device_deleted", caller.user_id, f"device {device_id}")
    return Response(b"", status=204)


@routes.post("/<device:device_id>/claim")
@guarded()
@tag(["devices"])
@document_request(Claim)
@document_response(Device)
async def claim_device(caller: Caller, device_id: str) -> Response:
    """Make a device that registered itself the caller's. Of two at once one gets it, the other 409."""
    _named(device_id)
    wanted = (await optional_body(Claim)).model_dump(exclude_unset=True)
    engine = resources().engine
    if not await changes.is_unclaimed(engine, device_id):
        await _one(caller, device_id)
        raise Conflict("This device is claimed already", "device_claimed")
    claim = {**wanted, "user_id": caller.user_id}
    if not await changes.claim_device(engine, device_id, claim, time.time_ns()):
        raise Conflict("Somebody else was quicker to claim this device", "device_claimed")
    resources().registry_changed()
    await note("device_claimed", caller.user_id, f"device {device_id}")
    return reply(await _one(caller, device_id))


async def _step(wanted: queries.Filter, asked: DevicesQuery) -> Response:
    limit, question = asked.limit or MAX_PER_PAGE, _question()
    after = cursor.decode(asked.cursor, question) if asked.cursor is not None else None
    rows, known = await queries.step_of_devices(
        resources().engine, wanted, after=after, descending=asked.sort == "-id", limit=limit + 1
    )
    page, more = rows[:limit], len(rows) > limit
    following = cursor.encode(page[-1].id, question) if more else None
    return reply({"data": _told((page, known), wanted.clock), "cursor": following})


def _question() -> str:
    """What a cursor is bound to: the parameters that choose and order devices."""
    return str({name: request.args.get(name) for name in (*_CHOOSING, "sort")})


def _owner(caller: Caller, user_id: int | None) -> int:
    if user_id not in (None, caller.user_id) and caller.role != "admin":
        message = "Only an administrator may give a device to somebody else"
        raise Forbidden(message, "admin_only", field="user_id")
    return caller.user_id if user_id is None else user_id


async def _one(caller: Caller, device_id: str) -> orjson.Fragment:
    _named(device_id)
    clock = _clock()
    found = _told(await queries.one_device(resources().engine, device_id, caller.tenants), clock)
    if not found:
        raise _not_found()
    return found[0]


def _told(found: queries.Found, clock: queries.Clock) -> list[orjson.Fragment]:
    return told(*found, *clock)


def _clock() -> queries.Clock:
    return queries.Clock(time.time_ns(), resources().settings.offline_after_s)


def _named(device_id: str) -> None:
    if not is_device_id(device_id):
        raise _not_found()


def _not_found() -> NotFound:
    return NotFound("Device not found", "device_not_found")
