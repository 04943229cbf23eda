"""/api/v1/profiles: what kinds of devices there are. They are shared by all: everybody reads, administrators write."""

import time
from typing import Any, Final

from pydantic import ValidationError
from quart import Blueprint, Response
from quart_schema import document_querystring, document_request, document_response, tag

from services.api.auth import Caller, guarded
from services.api.encoding import reply
from services.api.errors import BadRequest, Conflict, NotFound, invalid
from services.api.inputs import Page, Query, body, query
from services.api.profiles import queries
from services.api.profiles.schemas import NewProfile, Profile, ProfileChange, Profiles
from services.api.resources import resources
from shared.profiles import PROFILES
from shared.times import iso_ns

routes = Blueprint("profiles", __name__, url_prefix="/api/v1/profiles")

_BUILT_IN: Final = [queries.Stored(profile) for profile in PROFILES.values()]


@routes.get("")
@guarded()
@tag(["profiles"])
@document_querystring(Page)
@document_response(Profiles)
async def list_profiles(_caller: Caller) -> Response:
    """All profiles, or a page of them: first the built-in ones, then the others by name."""
    asked = query(Page)
    page, per_page, offset = asked.window()
    told = [_profile(stored) for stored in [*_BUILT_IN, *await queries.own_profiles(resources().engine)]]
    if not asked.paged:
        return reply(told)
    window = told[offset : offset + per_page]
    return reply({"data": window, "total": len(told), "page": page, "per_page": per_page})


@routes.post("")
@guarded("admin")
@tag(["profiles"])
@document_request(NewProfile)
@document_response(Profile, 201)
async def add_profile(_caller: Caller) -> Response:
    """Add a profile (admin). Devices can have it at once, and ingest judges their messages by it."""
    new = await body(NewProfile)
    if new.name in PROFILES or not await queries.add_profile(resources().engine, new, time.time_ns()):
        raise Conflict(f"There is a profile {new.name} already", "profile_exists", field="name")
    resources().registry_changed()
    return reply(await _told(new.name), 201)


@routes.get("/<name>")
@guarded()
@tag(["profiles"])
@document_querystring(Query)
@document_response(Profile)
async def get_profile(_caller: Caller, name: str) -> Response:
    """One profile."""
    query(Query)
    return reply(await _told(_named(name)))


@routes.route("/<name>", methods=["PUT", "PATCH"])
@guarded("admin")
@tag(["profiles"])
@document_request(ProfileChange)
@document_response(Profile)
async def change_profile(_caller: Caller, name: str) -> Response:
    """Change what is given (admin). With another `measurement` new readings go there; older ones are read as before."""
    _changeable(_named(name))
    change = await body(ProfileChange)
    if change.name not in (None, name):
        raise BadRequest("name can't be changed: add a profile of that name", "validation_failed", field="name")
    changes = change.model_dump(mode="json", exclude_unset=True, exclude={"name"})
    try:
        found = await queries.change_profile(resources().engine, name, changes, time.time_ns())
    except ValidationError as error:
        raise invalid(error) from error
    if not found:
        raise _not_found()
    resources().registry_changed()
    return reply(await _told(name))


@routes.delete("/<name>")
@guarded("admin")
@tag(["profiles"])
async def delete_profile(_caller: Caller, name: str) -> Response:
    """Delete a profile that no device has (admin)."""
    _changeable(_named(name))
    used = await queries.delete_profile(resources().engine, name)
    if used is None:
        raise _not_found()
    if used:
        devices = "1 device has" if used == 1 else f"{used} devices have"
        raise Conflict(f"{devices} this profile: give them another one first", "profile_in_use")
    resources().registry_changed()
    return Response(b"", status=204)


def _named(name: str) -> str:
    """PostgreSQL takes no NUL, not even in a question."""
    if "\x00" in name:
        raise _not_found()
    return name


def _changeable(name: str) -> None:
    if name in PROFILES:
        raise Conflict(f"{name} is built in and can't be changed: add a profile of another name", "profile_builtin")


async def _told(name: str) -> dict[str, Any]:
    stored = await queries.one_profile(resources().engine, name)
    if stored is None:
        raise _not_found()
    return _profile(stored)


def _profile(stored: queries.Stored) -> dict[str, Any]:
    updated_ns = stored.updated_ns
    return {
        "name": stored.profile.name,
        **stored.profile.document,
        "builtin": updated_ns is None,
        "updated_at": iso_ns(updated_ns) if updated_ns is not None else None,
    }


def _not_found() -> NotFound:
    return NotFound("Profile not found", "profile_not_found")
