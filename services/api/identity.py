"""Who is asking: an access token or an API key, looked up for every request, so that what is ended ends at once."""

from typing import Final, Protocol

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from services.api.accounts import queries
from services.api.accounts.tokens import KEY_PREFIX, Session, hash_of_key, read_access
from services.api.addresses import client_address, neighbourhood
from services.api.caller import Caller, Role
from services.api.door import Door
from services.api.errors import TooMany, Unauthorized
from shared.gate import Scope
from shared.signed import BadToken

log = structlog.get_logger()

_LONGEST_KEY: Final = 200


class Headers(Protocol):
    def get(self, name: str, default: str, /) -> str: ...


async def caller_by(headers: Headers, door: Door, engine: AsyncEngine, address: str = "") -> Caller:
    """The caller that `Authorization: Bearer …` or `X-API-Key` names; raises Unauthorized.

    Each look-up that finds nobody counts against the `address`, before the database is asked: raises TooMany. Who was
    found of late is looked up all the same: one neighbour must not lock the others out.
    """
    shown = _shown(headers)
    by_key = shown.startswith(KEY_PREFIX)
    session = None if by_key else _session(shown, door)
    stranger = ("stranger", neighbourhood(address))
    credential = ("session", session.id) if session is not None else ("key", hash_of_key(shown[:_LONGEST_KEY]))
    wait_s = door.limits.requests.wait_s(stranger, door.moment_s())
    if wait_s and not door.recent.has(credential, door.moment_s()):
        raise TooMany("Too many keys and sessions from here that nobody knows", "rate_limited", wait_s)
    try:
        caller = await (_by_key(shown, door, engine) if session is None else _by_session(session, door, engine))
    except Unauthorized:
        door.recent.forget(credential)
        door.limits.requests.take(stranger, door.moment_s())
        raise
    door.recent.add(credential, door.moment_s())
    return caller


def _session(shown: str, door: Door) -> Session:
    try:
        return read_access(door.secret, shown, door.now_s)
    except BadToken as error:
        log.debug("token_refused", reason=str(error))
        message = "This token is not valid (any more): POST /api/v1/auth/refresh, or log in again"
        raise Unauthorized(message, "invalid_token") from error


async def _by_session(session: Session, door: Door, engine: AsyncEngine) -> Caller:
    user = await queries.session_holder(engine, session, door.now_ns())
    if user is None:
        raise Unauthorized("This session has ended: log in again", "session_ended")
    return Caller(user["id"], user["role"], session.id, must_change=bool(user["must_change"]))


async def is_admin(scope: Scope, door: Door, engine: AsyncEngine) -> bool:
    """For what is served beside Quart: whether a request is an administrator's, who may read."""
    headers = {name.decode("latin1").title(): value.decode("latin1") for name, value in scope["headers"]}
    shown = {"Authorization": headers.get("Authorization", ""), "X-API-Key": headers.get("X-Api-Key", "")}
    forwarded = [value.decode("latin1") for name, value in scope["headers"] if name.lower() == b"x-forwarded-for"]
    peer = (scope.get("client") or ("",))[0]
    try:
        caller = await caller_by(shown, door, engine, client_address(peer, forwarded, door.trusted_hops))
    except (Unauthorized, TooMany):
        return False
    return caller.role == "admin" and caller.has("read") and not caller.must_change


def _shown(headers: Headers) -> str:
    kind, _, token = headers.get("Authorization", "").strip().partition(" ")
    key = headers.get("X-API-Key", "").strip()
    if kind and kind.lower() != "bearer":
        raise Unauthorized("Send Authorization: Bearer <token>; other kinds are not known here", "invalid_token")
    shown = token.strip() or key
    if not shown:
        message = (
            "Who is asking? Log in (POST /api/v1/auth/login) and send Authorization: Bearer <token>, or an API key"
        )
        raise Unauthorized(message, "unauthenticated")
    if key and not token and not key.startswith(KEY_PREFIX):
        raise Unauthorized("X-API-Key takes an API key, which begins with tk_", "invalid_token")
    return shown


async def _by_key(shown: str, door: Door, engine: AsyncEngine) -> Caller:
    key = await queries.key_holder(engine, hash_of_key(shown[:_LONGEST_KEY]), door.now_ns())
    if key is None:
        raise Unauthorized("This API key is unknown, revoked or expired", "invalid_key")
    scopes = frozenset(key["scopes"].split())
    # without the scope an administrator's key is one of a plain user
    role: Role = key["role"] if "admin" in scopes else "user"
    return Caller(key["user_id"], role, key=key["id"], scopes=scopes, must_change=bool(key["must_change"]))
