"""GET /api/users, GET and POST /api/user/{id}, GET /api/sensor_data/{user_id}: seed 000."""

import time
from collections.abc import Mapping
from typing import Any, Final

from quart import Blueprint, Response
from quart_schema import document_querystring, document_request, document_response, tag

from services.api.audit.records import note
from services.api.auth import Caller, guarded
from services.api.encoding import reply
from services.api.errors import BadRequest, Forbidden, NotFound
from services.api.heavy import in_turn
from services.api.inputs import body, query, row_id
from services.api.people import queries
from services.api.people.queries import EmailTaken, ProfileTooLarge
from services.api.people.schemas import TOO_LARGE, People, PeopleQuery, PersonChange, Saved, SensorDataQuery, UserData
from services.api.resources import resources
from shared.changes import Change
from shared.readings import Reading
from shared.times import iso_ns

routes = Blueprint("people", __name__)

# JavaScript reads a larger number as another one
_MAX_NEW_ID: Final = 2**53 - 1


@routes.get("/api/users")
@guarded()
@tag(["users"])
@document_querystring(PeopleQuery)
@document_response(People)
async def get_users(caller: Caller) -> Response:
    """All users, for an administrator; others see themselves."""
    asked = query(PeopleQuery)
    page, per_page, offset = asked.window()
    limit = per_page if asked.paged else None
    rows, total = await queries.list_users(resources().engine, caller.tenants, limit, offset)
    data = [_user(row) for row in rows]
    return reply({"data": data, "total": total, "page": page, "per_page": per_page} if asked.paged else data)


@routes.get("/api/user/<user_id>")
@guarded()
@in_turn
@tag(["users"])
@document_querystring(SensorDataQuery)
@document_response(UserData)
async def get_user_with_readings(caller: Caller, user_id: str) -> Response:
    """One user, and the newest readings of their devices."""
    return await _user_data(caller, user_id)


@routes.get("/api/sensor_data/<user_id>")
@guarded()
@in_turn
@tag(["users"])
@document_querystring(SensorDataQuery)
@document_response(UserData)
async def get_sensor_data(caller: Caller, user_id: str) -> Response:
    """The same as `/api/user/{id}`, by the name that some frontends ask for."""
    return await _user_data(caller, user_id)


@routes.post("/api/user/<user_id>")
@guarded()
@tag(["users"])
@document_request(PersonChange)
@document_response(Saved)
@document_response(Saved, 201)
async def save_user(caller: Caller, user_id: str) -> Response:
    """Change what is given of a user, or make the user; both but one's own are for administrators.

    Keys other than `name` and `email` are kept as they are; null takes one away.
    """
    key = _visible(caller, user_id)
    change = await body(PersonChange)
    engine = resources().engine
    if resources().settings.auth == "required":
        _refuse_another_login(await queries.get_user(engine, key), change)
    try:
        changed = await queries.change_user(engine, key, change.columns, change.profile)
        if changed is None:
            return await _make(caller, key, change)
    except EmailTaken as error:
        raise BadRequest("Email already exists", "email_exists", field="email") from error
    except ProfileTooLarge as error:
        raise BadRequest(TOO_LARGE, "validation_failed") from error
    if change.columns:
        resources().registry_changed(Change(kind="user", id=key))
        await note("user_changed", caller.user_id, f"user {key}: {', '.join(change.columns)}")
    return reply({"message": "User updated successfully", "user": _user(changed)})


def _refuse_another_login(row: Mapping[str, Any] | None, change: PersonChange) -> None:
    """With an address one logs in: it is changed where logins are looked after, by whoever has just logged in."""
    if row is not None and change.columns.get("email", row["email"]) != row["email"]:
        message = "An address is for logging in: an administrator changes it, by PATCH /api/v1/users/{id}"
        raise Forbidden(message, "login_required", field="email")


async def _make(caller: Caller, key: int, change: PersonChange) -> Response:
    if not 1 <= key <= _MAX_NEW_ID:
        raise BadRequest(f"User ids are 1 to {_MAX_NEW_ID}", "bad_user_id", field="user_id")
    if "name" not in change.model_fields_set:
        raise BadRequest("Name is required", "required", field="name")
    kept = {name: value for name, value in change.profile.items() if value is not None}
    row = {**change.columns, "id": key, "role": "user", "profile": kept, "created_ns": time.time_ns()}
    made = await queries.add_user(resources().engine, row)
    if made is None:
        raise BadRequest("User already exists", "user_exists", field="user_id")
    resources().registry_changed(Change(kind="user", id=key))
    await note("user_added", caller.user_id, f"user {key}")
    return reply({"message": "User created successfully", "user": _user(made)}, 201)


async def _user_data(caller: Caller, user_id: str) -> Response:
    key = _visible(caller, user_id)
    asked, given = query(SensorDataQuery), resources()
    found = await queries.get_user(given.engine, key)
    if found is None:
        raise _missing()
    readings = await given.store.newest(key, asked.limit)
    return reply({"user": _user(found), "sensor_data": [_row(reading) for reading in readings]})


def _visible(caller: Caller, user_id: str) -> int:
    """Somebody else is not there, but for an administrator."""
    key = row_id(user_id, "User")
    if caller.tenants is not None and key not in caller.tenants:
        raise _missing()
    return key


def _missing() -> NotFound:
    return NotFound("User not found", "user_not_found")


def _user(row: Mapping[str, Any]) -> dict[str, Any]:
    key = row["id"]
    ours = {"id": key, "user_id": key, "name": row["name"], "email": row["email"], "role": row["role"]}
    return {**row["profile"], **ours, "created_at": iso_ns(row["created_ns"])}


def _row(reading: Reading) -> dict[str, Any]:
    ours = {"time": iso_ns(reading.ts_ns), "device_id": reading.device_id, "measurement": reading.measurement}
    return {**ours, **reading.values, **ours}
