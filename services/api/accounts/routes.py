"""/api/v1/auth: register, log in, refresh, log out, who am I, another password."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from quart import Blueprint, Response, request
from quart_schema import document_querystring, document_request, document_response, tag
from sqlalchemy.exc import IntegrityError

from services.api.accounts import queries
from services.api.accounts.cookies import give_cookie, shown_cookie, take_cookie
from services.api.accounts.passwords import flaw
from services.api.accounts.schemas import (
    Login,
    NewAccount,
    PasswordChange,
    RefreshBody,
    Registered,
    Tokens,
    User,
    user_told,
)
from services.api.accounts.throttle import Attempt, count_refresh
from services.api.accounts.tokens import (
    ACCESS,
    Refresh,
    Session,
    access_token,
    read_access,
    read_refresh,
    refresh_token,
)
from services.api.audit.records import note
from services.api.auth import Caller, guarded, public
from services.api.door import door
from services.api.encoding import reply
from services.api.errors import ApiError, BadRequest, Forbidden, NotFound, Unauthorized
from services.api.inputs import Query, body, optional_body, query
from services.api.resources import resources
from shared.changes import Change
from shared.signed import BadToken

routes = Blueprint("accounts", __name__, url_prefix="/api/v1/auth")

_DAY_NS: Final = 86_400 * 10**9
_REGISTERED: Final = "You can log in now, unless there was an account with this address before"


@routes.post("/register")
@public
@tag(["accounts"])
@document_request(NewAccount)
@document_response(Registered, 201)
async def register() -> Response:
    """Make oneself an account, where TELEMETRIO_REGISTRATION allows it. Whether the address was taken is not told."""
    given = resources()
    if not given.settings.registration:
        message = "Accounts are made by an administrator here (TELEMETRIO_REGISTRATION)"
        raise Forbidden(message, "registration_off")
    new = await body(NewAccount)
    await Attempt().count()
    hashed = await door().passwords.hash(new.password)
    row = {"email": new.email, "name": new.name or new.email.partition("@")[0], "role": "user"}
    try:
        made = await queries.add_user(given.engine, {**row, "password_hash": hashed, "created_ns": door().now_ns()})
    except IntegrityError:
        await note("register", None, new.email, ok=False)
    else:
        given.registry_changed(Change(kind="user", id=made["id"]))
        await note("register", made["id"], new.email)
    return reply({"message": _REGISTERED}, 201)


@routes.post("/login")
@public
@tag(["accounts"])
@document_request(Login)
@document_response(Tokens)
async def login() -> Response:
    """Tokens for an address and its password. Unknown addresses, wrong passwords and disabled users look the same."""
    asked = await body(Login)
    attempt = Attempt(asked.email)
    await attempt.count()
    given, here = resources(), door()
    with attempt.judged():
        user = await queries.user_by_email(given.engine, asked.email)
        right = await here.passwords.verify(user["password_hash"] if user else None, asked.password)
    if user is None or not right or user["disabled"]:
        await note("login", None, asked.email, ok=False)
        raise Unauthorized("Wrong address or password", "login_refused")
    attempt.uncount()
    if here.passwords.stale(user["password_hash"]):
        again = await here.passwords.hash(asked.password)
        await queries.renew_hash(given.engine, user["id"], user["password_hash"], again)
    lifetime_ns = round(given.settings.session_days * _DAY_NS)
    refresh = await queries.start_session(given.engine, user["id"], here.now_ns(), lifetime_ns)
    await note("login", user["id"], asked.email)
    return _tokens(user, refresh, in_cookie=asked.cookie)


@routes.post("/refresh")
@public
@tag(["accounts"])
@document_request(RefreshBody)
@document_response(Tokens)
async def refresh() -> Response:
    """New tokens for a refresh token, from the body or the cookie.

    The old one is worth nothing afterwards: shown again after ten seconds, it was stolen, and the session ends.
    """
    asked = await optional_body(RefreshBody)
    count_refresh()
    shown = asked.refresh_token or shown_cookie()
    if not shown:
        raise Unauthorized("There is no refresh token, in the body or in a cookie: log in", "unauthenticated")
    try:
        read = read_refresh(door().secret, shown)
    except BadToken as error:
        raise _ended() from error
    found = await queries.rotate(resources().engine, read, door().now_ns())
    if found.reused and found.user is not None:
        resources().registry_changed(Change(kind="user", id=found.user["id"]))
        await note("refresh_reused", found.user["id"], read.session, ok=False)
    if found.successor is None or found.user is None:
        raise _ended()
    return _tokens(found.user, found.successor, in_cookie=not asked.refresh_token)


@routes.post("/logout")
@public
@tag(["accounts"])
@document_request(RefreshBody)
async def logout() -> Response:
    """End the session of the refresh token (body or cookie) and of the access token, whichever are given."""
    asked = await optional_body(RefreshBody)
    for session in _sessions_shown(asked.refresh_token):
        user_id = await queries.end_session(resources().engine, session, door().now_ns())
        if user_id is not None:
            resources().registry_changed(Change(kind="user", id=user_id))  # live streams of this login end, too
            await note("logout", user_id, session)
    gone = Response(b"", status=204)
    take_cookie(gone)
    return gone


@routes.get("/me")
@guarded(before_change=True)
@tag(["accounts"])
@document_querystring(Query)
@document_response(User)
async def me(caller: Caller) -> Response:
    """The user on whose behalf this request is made."""
    query(Query)
    return reply(user_told(await _user(caller)))


@routes.post("/password")
@guarded(by_login=True, before_change=True)
@tag(["accounts"])
@document_request(PasswordChange)
async def change_password(caller: Caller) -> Response:
    """Another password. Every other session of this user ends; API keys stay."""
    asked = await body(PasswordChange)
    given, here, user = resources(), door(), await _user(caller)
    attempt = Attempt(user["email"] or f"user {caller.user_id}")
    await attempt.count()
    with attempt.judged():
        right = await here.passwords.verify(user["password_hash"], asked.current_password)
    if not right:
        await note("password_changed", caller.user_id, user["email"] or "", ok=False)
        raise BadRequest("This is not the current password", "wrong_password", field="current_password")
    attempt.uncount()
    _check_new(asked, user)
    hashed = await here.passwords.hash(asked.new_password)
    new = queries.NewHash(hashed)
    await queries.set_password(given.engine, caller.user_id, new, here.now_ns(), spare=caller.session)
    given.registry_changed(Change(kind="user", id=caller.user_id))
    await note("password_changed", caller.user_id, user["email"] or "")
    return Response(b"", status=204)


def _check_new(asked: PasswordChange, user: Mapping[str, Any]) -> None:
    email = user["email"] or ""
    problem = flaw(asked.new_password, email, email.partition("@")[0], user["name"])
    if asked.new_password == asked.current_password:
        problem = "must be another one than before"
    if problem is not None:
        raise BadRequest(f"New password: {problem}", "validation_failed", field="new_password")


def _ended() -> ApiError:
    return Unauthorized("This session has ended: log in again", "session_ended")


def _sessions_shown(token: str | None) -> set[str]:
    """By either token; one that means nothing (any more) has nothing to end."""
    here, found = door(), set[str]()
    shown = request.headers.get("Authorization", "").partition(" ")[2].strip()
    with suppress(BadToken):
        found.add(read_refresh(here.secret, token or shown_cookie() or "").session)
    with suppress(BadToken):
        found.add(read_access(here.secret, shown, here.now_s).id)
    return found


async def _user(caller: Caller) -> Mapping[str, Any]:
    user = await queries.user_by_id(resources().engine, caller.user_id)
    if user is None:
        raise NotFound("User not found", "user_not_found")
    return user


def _tokens(user: Mapping[str, Any], refresh: Refresh, *, in_cookie: bool) -> Response:
    here = door()
    token = refresh_token(here.secret, refresh)
    response = reply(
        {
            "access_token": access_token(here.secret, Session(refresh.session, user["id"]), here.now_s),
            "token_type": "Bearer",
            "expires_in": ACCESS.lifetime_s,
            "refresh_token": None if in_cookie else token,
            "user": user_told(user),
        }
    )
    if in_cookie:
        give_cookie(response, token, round(resources().settings.session_days * 86_400))
    return response
