"""Who may: the guard that every route passes, and the caller that it names. A test looks for a route without one.

With `auth = open`, on loopback, everybody is the local admin; with `required` one logs in, or shows an API key.
"""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Concatenate, Final, NamedTuple, ParamSpec, TypeVar

from quart import request

from services.api.audit.records import came_from
from services.api.caller import Caller, Role, Scope
from services.api.door import Door, door
from services.api.errors import Forbidden, TooMany
from services.api.identity import caller_by
from services.api.resources import resources

__all__ = ["LOCAL_ADMIN", "Caller", "Need", "access_of", "guarded", "identify", "need_of", "public"]

P = ParamSpec("P")
R = TypeVar("R")

LOCAL_ADMIN: Final = Caller(1, "admin")
ACCESS: Final = "__access__"
NEED: Final = "__need__"
_READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})

Handler = Callable[Concatenate[Caller, P], Awaitable[R]]


class Need(NamedTuple):
    """What a route asks of its caller.

    `scope`: of an API key; None: `read` for GET, else `write`. `by_login`: no key will do. `before_change`: also for
    somebody who must change their password first.
    """

    role: Role = "user"
    scope: Scope | None = None
    by_login: bool = False
    before_change: bool = False

    def of_key(self, method: str) -> Scope:
        return self.scope or ("read" if method in _READING else "write")


def guarded(
    role: Role = "user", *, scope: Scope | None = None, by_login: bool = False, before_change: bool = False
) -> Callable[[Handler[P, R]], Callable[P, Awaitable[R]]]:
    """The route is for callers with this role; it gets its Caller as first argument. The rest: see Need."""
    need = Need(role, scope, by_login, before_change)

    def guard(handler: Handler[P, R]) -> Callable[P, Awaitable[R]]:
        @wraps(handler)
        async def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            return await handler(await _admitted(need), *args, **kwargs)

        setattr(checked, ACCESS, role)
        setattr(checked, NEED, need)
        return checked

    return guard


def public(handler: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """The route is for everybody, and shows nothing that belongs to somebody."""
    setattr(handler, ACCESS, "public")
    return handler


def identify() -> Caller:
    """Everybody, while the door is open."""
    return LOCAL_ADMIN


async def _admitted(need: Need) -> Caller:
    here = door()
    caller = identify() if here.open else await caller_by(request.headers, here, resources().engine, came_from())
    if not here.open:
        _check_rate(here, caller)
        _check_way(need, caller)
    if need.role == "admin" and caller.role != "admin":
        raise Forbidden("Only an administrator may do this", "admin_only")
    return caller


def _check_rate(here: Door, caller: Caller) -> None:
    """By key where there is one, so that a program never slows down the person who runs it."""
    who = ("key", caller.key) if caller.key is not None else ("user", caller.user_id)
    wait_s = here.limits.requests.take((who, request.endpoint), here.moment_s())
    if wait_s:
        raise TooMany("Too many requests: see TELEMETRIO_REQUESTS_PER_S", "rate_limited", wait_s)


def _check_way(need: Need, caller: Caller) -> None:
    if need.by_login and caller.key is not None:
        raise Forbidden("An API key may not do this: log in", "login_required")
    scope = need.of_key(request.method)
    if not caller.has(scope):
        raise Forbidden(f"This API key has no scope {scope!r}", "scope_missing")
    if caller.must_change and not need.before_change:
        raise Forbidden("Change your password first: POST /api/v1/auth/password", "password_must_change")


def access_of(handler: Callable[..., Any]) -> str | None:
    """What a view function says of itself: a role, `public`, or nothing at all, which is a mistake."""
    found: str | None = getattr(handler, ACCESS, None)
    return found


def need_of(handler: Callable[..., Any]) -> Need | None:
    """What a guarded view function asks of its caller."""
    found: Need | None = getattr(handler, NEED, None)
    return found
