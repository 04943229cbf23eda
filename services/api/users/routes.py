"""/api/v1/users, for administrators: list, add, read, change, set a password, delete."""

from collections.abc import Mapping
from typing import Any, Final

from quart import Blueprint, Response
from quart_schema import document_querystring, document_request, document_response, tag
from sqlalchemy.exc import IntegrityError

from services.api.accounts import queries as accounts
from services.api.accounts.schemas import User, user_told
from services.api.audit.records import note
from services.api.auth import LOCAL_ADMIN, Caller, guarded
from services.api.door import door
from services.api.encoding import reply
from services.api.errors import Conflict, NotFound
from services.api.inputs import Query, body, query, row_id
from services.api.resources import resources
from services.api.users import queries
from services.api.users.schemas import NewUser, PasswordSet, UserChange, UsersPage, UsersQuery
from shared.changes import Change

routes = Blueprint("users", __name__, url_prefix="/api/v1/users")

_WHAT: Final = "User"


@routes.get("")
@guarded("admin")
@tag(["users"])
@document_querystring(UsersQuery)
@document_response(UsersPage)
async def list_users(_caller: Caller) -> Response:
    """All users, a page at a time."""
    asked = query(UsersQuery)
    page, per_page, offset = asked.window()
    wanted = queries.Filter(asked.q, asked.role, asked.disabled)
    rows, total = await queries.page_of_users(resources().engine, wanted, limit=per_page, offset=offset)
    return reply({"data": [user_told(row) for row in rows], "total": total, "page": page, "per_page": per_page})


@routes.post("")
@guarded("admin", by_login=True)
@tag(["users"])
@document_request(NewUser)
@document_response(User, 201)
async def add_user(caller: Caller) -> Response:
    """Add a user."""
    new = await body(NewUser)
    hashed = await door().passwords.hash(new.password) if new.password is not None else None
    row = {
        "email": new.email,
        "name": new.name.strip() or new.email.partition("@")[0],
        "role": new.role,
        "password_hash": hashed,
        "must_change": new.must_change_password,
        "created_ns": door().now_ns(),
    }
    try:
        made = await accounts.add_user(resources().engine, row)
    except IntegrityError as error:
        raise _taken() from error
    resources().registry_changed(Change(kind="user", id=made["id"]))
    await note("user_added", caller.user_id, new.email)
    return reply(user_told(made), 201)


@routes.get("/<user_id>")
@guarded("admin")
@tag(["users"])
@document_querystring(Query)
@document_response(User)
async def get_user(_caller: Caller, user_id: str) -> Response:
    """One user."""
    query(Query)
    return reply(user_told(_found(await accounts.user_by_id(resources().engine, row_id(user_id, _WHAT)))))


@routes.patch("/<user_id>")
@guarded("admin", by_login=True)
@tag(["users"])
@document_request(UserChange)
@document_response(User)
async def change_user(caller: Caller, user_id: str) -> Response:
    """Change name, address, role or whether the user is disabled."""
    key = row_id(user_id, _WHAT)
    changes = (await body(UserChange)).model_dump(exclude_unset=True)
    engine = resources().engine
    try:
        row = await queries.change_user(engine, key, changes, door().now_ns()) if changes else None
    except IntegrityError as error:
        raise _taken() from error
    except queries.LastAdmin as error:
        raise _last_admin() from error
    told = _found(row if changes else await accounts.user_by_id(engine, key))
    if changes:
        resources().registry_changed(Change(kind="user", id=key))
        await note("user_changed", caller.user_id, f"user {key}: {', '.join(changes)}")
    return reply(user_told(told))


@routes.put("/<user_id>/password")
@guarded("admin", by_login=True)
@tag(["users"])
@document_request(PasswordSet)
async def set_password(caller: Caller, user_id: str) -> Response:
    """Give a user another password; every session of theirs ends."""
    key = row_id(user_id, _WHAT)
    asked = await body(PasswordSet)
    here = door()
    new = accounts.NewHash(await here.passwords.hash(asked.password), asked.must_change_password)
    if not await accounts.set_password(resources().engine, key, new, here.now_ns()):
        raise _unknown()
    resources().registry_changed(Change(kind="user", id=key))
    await note("password_set", caller.user_id, f"user {key}")
    return Response(b"", status=204)


@routes.delete("/<user_id>")
@guarded("admin", by_login=True)
@tag(["users"])
async def delete_user(caller: Caller, user_id: str) -> Response:
    """Delete a user to whom nothing ever belonged; others can be disabled."""
    key = row_id(user_id, _WHAT)
    if key == LOCAL_ADMIN.user_id:
        raise Conflict("The local admin owns what nobody has claimed, and stays: disable it", "user_needed")
    try:
        found = await queries.delete_user(resources().engine, key)
    except queries.LastAdmin as error:
        raise _last_admin() from error
    except queries.OwnsThings as error:
        raise Conflict("Devices, items or readings belong to this user: disable it instead", "user_owns") from error
    if not found:
        raise _unknown()
    resources().registry_changed(Change(kind="user", id=key))
    await note("user_deleted", caller.user_id, f"user {key}")
    return Response(b"", status=204)


def _found(row: Mapping[str, Any] | None) -> Mapping[str, Any]:
    if row is None:
        raise _unknown()
    return row


def _unknown() -> NotFound:
    return NotFound("User not found", "user_not_found")


def _taken() -> Conflict:
    return Conflict("There is a user with this address", "email_taken", field="email")


def _last_admin() -> Conflict:
    return Conflict(
        "This is the last administrator who can log in: make another one first, with a password", "last_admin"
    )
