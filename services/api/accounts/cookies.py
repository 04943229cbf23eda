"""The refresh token in a browser: in a cookie that no script can read and that no other site can make it send."""

from typing import Final

from quart import Response, request

from shared.gate import host_name

COOKIE: Final = "telemetrio_refresh"
PATH: Final = "/api/v1/auth"
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})


def shown_cookie() -> str | None:
    return request.cookies.get(COOKIE)


def give_cookie(response: Response, token: str, lifetime_s: int) -> None:
    """Strict: pages of other sites send it with nothing. Secure: never in the clear, but on this machine."""
    response.set_cookie(
        COOKIE, token, max_age=lifetime_s, path=PATH, httponly=True, samesite="Strict", secure=_elsewhere()
    )


def take_cookie(response: Response) -> None:
    response.delete_cookie(COOKIE, path=PATH, httponly=True, samesite="Strict", secure=_elsewhere())


def _elsewhere() -> bool:
    return host_name(request.host) not in _LOOPBACK
