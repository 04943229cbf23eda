"""/api/v1/api-keys: list, make, revoke. By login alone: a key can't make another one."""

from collections.abc import Mapping
from typing import Any, Final

from quart import Blueprint, Response
from quart_schema import document_querystring, document_request, document_response, tag

from services.api.accounts.tokens import HINT_CHARACTERS, hash_of_key, new_key
from services.api.apikeys import queries
from services.api.apikeys.schemas import Keys, MadeKey, NewKey
from services.api.audit.records import note
from services.api.auth import Caller, guarded
from services.api.caller import SCOPES
from services.api.door import door
from services.api.encoding import reply
from services.api.errors import Conflict, Forbidden, NotFound
from services.api.inputs import Query, body, query, row_id
from services.api.resources import resources
from shared.changes import Change
from shared.times import iso_ns

routes = Blueprint("apikeys", __name__, url_prefix="/api/v1/api-keys")

MOST: Final = 100
_DAY_NS: Final = 86_400 * 10**9


@routes.get("")
@guarded(by_login=True)
@tag(["api keys"])
@document_querystring(Query)
@document_response(Keys)
async def list_keys(caller: Caller) -> Response:
    """The keys of the caller, of everybody for an administrator; never the keys themselves."""
    query(Query)
    return reply([_key(row) for row in await queries.list_keys(resources().engine, caller.tenants)])


@routes.post("")
@guarded(by_login=True)
@tag(["api keys"])
@document_request(NewKey)
@document_response(MadeKey, 201)
async def add_key(caller: Caller) -> Response:
    """Make a key that acts for the caller. It is shown in this answer and never again."""
    new = await body(NewKey)
    engine = resources().engine
    if "admin" in new.scopes and caller.role != "admin":
        raise Forbidden("Only an administrator may have a key with scope admin", "admin_only")
    if await queries.count_keys(engine, caller.user_id) >= MOST:
        raise Conflict(f"A user may have {MOST} keys: revoke one first", "too_many_keys")
    key = new_key()
    row = await queries.add_key(engine, key_row(new, key, caller.user_id, door().now_ns()))
    resources().registry_changed(Change(kind="key", id=row["id"]))
    await note("key_added", caller.user_id, f"key {row['id']} {row['hint']} {row['scopes']}")
    return reply({**_key(row), "key": key}, 201)


@routes.delete("/<key_id>")
@guarded(by_login=True)
@tag(["api keys"])
async def revoke_key(caller: Caller, key_id: str) -> Response:
    """Revoke a key: it opens nothing from now on, and stays in the list."""
    key = row_id(key_id, "API key")
    row = await queries.revoke_key(resources().engine, key, caller.tenants, door().now_ns())
    if row is None:
        raise NotFound("API key not found", "api_key_not_found")
    resources().registry_changed(Change(kind="key", id=row["id"]))
    await note("key_revoked", caller.user_id, f"key {row['id']} {row['hint']}")
    return Response(b"", status=204)


def key_row(new: NewKey, key: str, user_id: int, now_ns: int) -> dict[str, Any]:
    """A row of `api_keys`: of the key itself only its beginning and its hash."""
    expires_ns = None if new.expires_in_days is None else now_ns + round(new.expires_in_days * _DAY_NS)
    return {
        "user_id": user_id,
        "name": new.name,
        "hash": hash_of_key(key),
        "hint": key[:HINT_CHARACTERS],
        "scopes": " ".join(scope for scope in SCOPES if scope in new.scopes),
        "created_ns": now_ns,
        "expires_ns": expires_ns,
    }


def _key(row: Mapping[str, Any]) -> dict[str, Any]:
    times = {name: row[f"{name[:-3]}_ns"] for name in ("created_at", "expires_at", "last_used_at", "revoked_at")}
    return {
        "id": str(row["id"]),
        **{name: row[name] for name in ("user_id", "name", "hint")},
        "scopes": row["scopes"].split(),
        **{name: iso_ns(value) if value is not None else None for name, value in times.items()},
    }
