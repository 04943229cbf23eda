"""Who may: the guard that every route passes, and the caller that it names. A test looks for a route without one.

Until accounts exist there is one way in, `auth = open` on loopback: everybody is the local admin.
"""

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any, Concatenate, Final, Literal, NamedTuple, ParamSpec, TypeVar

from services.api.errors import Forbidden
from shared.identifiers import UserId

P = ParamSpec("P")
R = TypeVar("R")
Role = Literal["admin", "user"]


class Caller(NamedTuple):
    """On whose behalf a request is carried out."""

    user_id: UserId
    role: Role

    @property
    def tenants(self) -> tuple[UserId, ...] | None:
        """Whose data the caller may see; None only for an admin: everybody's."""
        return None if self.role == "admin" else (self.user_id,)


LOCAL_ADMIN: Final = Caller(1, "admin")
ACCESS: Final = "__access__"

Handler = Callable[Concatenate[Caller, P], Awaitable[R]]


def guarded(role: Role = "user") -> Callable[[Handler[P, R]], Callable[P, Awaitable[R]]]:
    """The route is for callers with this role; it gets its Caller as first argument."""

    def guard(handler: Handler[P, R]) -> Callable[P, Awaitable[R]]:
        @wraps(handler)
        async def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            caller = identify()
            if role == "admin" and caller.role != "admin":
                raise Forbidden("Only an administrator may do this", "admin_only")
            return await handler(caller, *args, **kwargs)

        setattr(checked, ACCESS, role)
        return checked

    return guard


def public(handler: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """The route is for everybody, and shows nothing that belongs to somebody."""
    setattr(handler, ACCESS, "public")
    return handler


def identify() -> Caller:
    """The caller of this request."""
    return LOCAL_ADMIN


def access_of(handler: Callable[..., Any]) -> str | None:
    """What a view function says of itself: a role, `public`, or nothing at all, which is a mistake."""
    found: str | None = getattr(handler, ACCESS, None)
    return found
