"""/api/v1/devices/{device_id}/credentials: list, make, revoke."""

import asyncio
import time
from contextlib import suppress
from typing import Any

from quart import Blueprint, Response
from quart_schema import document_querystring, document_request, document_response, tag

from services.api.audit.records import note
from services.api.auth import Caller, guarded
from services.api.credentials import queries
from services.api.credentials.schemas import Credentials, MadeCredential, NewCredential
from services.api.encoding import reply
from services.api.errors import Away, NotFound
from services.api.inputs import Query, body, query
from services.api.resources import resources
from shared.identifiers import is_device_id
from shared.passwords import hash_password, new_password
from shared.times import iso_ns

routes = Blueprint("credentials", __name__, url_prefix="/api/v1/devices/<device:device_id>/credentials")


@routes.get("")
@guarded()
@tag(["devices"])
@document_querystring(Query)
@document_response(Credentials)
async def list_credentials(caller: Caller, device_id: str) -> Response:
    """What a device may prove itself with, without the passwords."""
    query(Query)
    rows = await queries.list_credentials(resources().engine, _named(device_id), caller.tenants)
    return reply([_credential(device_id, *row) for row in rows])


@routes.post("")
@guarded()
@tag(["devices"])
@document_request(NewCredential)
@document_response(MadeCredential, 201)
async def add_credential(caller: Caller, device_id: str) -> Response:
    """Make one. Its password is in this answer and nowhere else; from now on the device must present it."""
    new = await body(NewCredential)
    password, now_ns = new_password(), time.time_ns()
    row = {"name": new.name, "password_hash": hash_password(password), "created_ns": now_ns}
    disabled = await queries.add_credential(resources().engine, _named(device_id), caller.tenants, row)
    await _admit(caller, device_id, new.name, password, disabled=disabled)
    resources().registry_changed()
    await note("credential_added", caller.user_id, f"device {device_id}: {new.name}")
    return reply({**_credential(device_id, new.name, now_ns), "password": password}, 201)


@routes.delete("/<name>")
@guarded()
@tag(["devices"])
async def revoke_credential(caller: Caller, device_id: str, name: str) -> Response:
    """Revoke one: nobody gets in with it any more."""
    if "\x00" in name:  # PostgreSQL could not even look for it
        raise NotFound("Credential not found", "credential_not_found")
    await queries.delete_credential(resources().engine, _named(device_id), caller.tenants, name)
    resources().registry_changed()
    await note("credential_revoked", caller.user_id, f"device {device_id}: {name}")
    return Response(b"", status=204)


async def _admit(caller: Caller, device_id: str, name: str, password: str, *, disabled: bool) -> None:
    """Now or never: nobody will know the password again. The database has it first: the broker never knows more."""
    try:
        await resources().admission.admit(device_id, name, password, disabled=disabled)
    except (Away, asyncio.CancelledError):
        with suppress(NotFound):  # somebody revoked it meanwhile
            await queries.delete_credential(resources().engine, device_id, caller.tenants, name)
        resources().registry_changed()
        raise


def _credential(device_id: str, name: str, created_ns: int, used_ns: int | None = None) -> dict[str, Any]:
    return {
        "name": name,
        "username": resources().admission.username(device_id, name),
        "created_at": iso_ns(created_ns),
        "last_used_at": iso_ns(used_ns) if used_ns is not None else None,
    }


def _named(device_id: str) -> str:
    if not is_device_id(device_id):
        raise NotFound("Device not found", "device_not_found")
    return device_id
