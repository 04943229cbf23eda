"""The outermost ASGI layer for every path: which Host is meant, which Origin may ask, CORS, security headers.

quart-cors would run the handler first and knows nothing of endpoints beside Quart; this stands before all of them.
"""

import re
from collections.abc import Awaitable, Callable, Collection, MutableMapping
from ipaddress import ip_address
from typing import Any, Final
from uuid import uuid4

import orjson

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGI3 = Callable[[Scope, Receive, Send], Awaitable[None]]
Header = tuple[bytes, bytes]

_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_HOST: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s:/?#@\[\]]+)(?::[0-9]{1,5})?")
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._-]{8,64}")
_HEADER_NAMES: Final = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]+(?:\s*,\s*[A-Za-z0-9!#$%&'*+.^_`|~-]+)*")

_SECURITY: Final[tuple[Header, ...]] = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
_FORWARDED: Final = frozenset({b"forwarded", b"x-forwarded-for", b"x-real-ip"})
_CORS: Final = b"access-control-"
_EXPOSED: Final = b"x-request-id, retry-after, content-disposition"
_PREFLIGHT: Final[tuple[Header, ...]] = (
    (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"),
    (b"access-control-max-age", b"600"),
    (b"vary", b"Access-Control-Request-Method, Access-Control-Request-Headers"),
)


def is_local(scope: Scope) -> bool:
    """From loopback, and not on somebody else's behalf: a proxy on this machine says so in a header."""
    client = scope.get("client")
    forwarded = any(name.lower() in _FORWARDED for name, _ in scope.get("headers", ()))
    if not client or forwarded:
        return False
    try:
        return ip_address(client[0].partition("%")[0]).is_loopback
    except ValueError:  # a socket of another kind
        return False


def request_id(given: str | None) -> str:
    """The caller's own X-Request-ID if it is 8 to 64 plain characters, so that logs can trust it; else a new one."""
    return given if given is not None and _REQUEST_ID.fullmatch(given) else uuid4().hex


class Gate:
    """Refuses by Host and Origin before anything else runs, and puts the headers on every answer.

    `allowed_hosts`: names without a port. `cors_origins`: other origins whose pages may use everything.
    """

    def __init__(self, app: ASGI3, *, allowed_hosts: Collection[str], cors_origins: Collection[str]) -> None:
        self._app = app
        self._hosts = frozenset(map(host_name, allowed_hosts))
        if None in self._hosts:
            raise ValueError(f"TELEMETRIO_ALLOWED_HOSTS: names without blanks, IPv6 in brackets, not {allowed_hosts}")
        self._origins = frozenset(origin.lower().rstrip("/") for origin in cors_origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        hosts, origins = _values(scope, b"host"), _values(scope, b"origin")
        origin = origins[0] if origins else None
        cors = origin if origin is not None and origin.lower() in self._origins else None
        answer = _Answer(scope, receive, send, cors)
        if len(hosts) != 1 or host_name(hosts[0]) not in self._hosts:
            await answer.refuse(421, "host_not_allowed", _unknown_host(hosts))
        elif self._foreign(origins, hosts[0]) and _guarded(scope):
            await answer.refuse(403, "origin_not_allowed", _foreign_origin(origins))
        elif not scope.get("query_string", b"").isascii():
            # Quart decodes it before any of its error handlers stands
            await answer.refuse(400, "bad_query", "The query string must be percent-encoded")
        elif cors is not None and _is_preflight(scope):
            await answer.preflight()
        else:
            await self._app(scope, receive, answer.send)

    def _foreign(self, origins: list[str], host: str) -> bool:
        """A program that is no browser sends no Origin; a page of this server sends the Host it was loaded from."""
        if not origins:
            return False
        origin = origins[0].lower()
        own = origin.partition("://")[2] == host.lower() and origin.startswith(("http://", "https://"))
        return len(origins) > 1 or not (own or origin in self._origins)


class _Answer:
    """One answer on its way out, ours or the application's: `send` adds the headers, and takes other CORS off."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, cors: str | None) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._cors = cors

    async def send(self, message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            # two Access-Control-Allow-Origin make a browser refuse both: the gate alone decides
            kept = [header for header in message.get("headers", ()) if not header[0].lower().startswith(_CORS)]
            message["headers"] = self._complete(kept)
        await self._send(message)

    def _complete(self, headers: list[Header]) -> list[Header]:
        present = {name.lower() for name, _ in headers}
        complete = [*headers, *(header for header in _SECURITY if header[0] not in present), (b"vary", b"Origin")]
        if self._cors is not None:
            complete.append((b"access-control-allow-origin", self._cors.encode("latin1")))
            complete.append((b"access-control-expose-headers", _EXPOSED))
        return complete

    async def refuse(self, status: int, code: str, message: str) -> None:
        """Answer with the error shape of docs/http.md; a WebSocket is refused before it is accepted."""
        known = _values(self._scope, b"x-request-id")
        made = request_id(known[0] if known else None)
        told = {"error": message, "message": message, "status": status, "code": code, "details": []}
        body = orjson.dumps({**told, "request_id": made})
        headers = [(b"content-type", b"application/json"), (b"x-request-id", made.encode())]
        if self._scope["type"] == "http":
            await self._respond("http.response", status, headers, body)
            return
        await self._receive()  # websocket.connect: a server may not take an answer before it
        if "websocket.http.response" in (self._scope.get("extensions") or {}):
            await self._respond("websocket.http.response", status, headers, body)
        else:
            await self._send({"type": "websocket.close", "code": 1008, "reason": code})

    async def preflight(self) -> None:
        asked = dict(self._scope["headers"]).get(b"access-control-request-headers", b"")
        allowed = [(b"access-control-allow-headers", asked)] if _HEADER_NAMES.fullmatch(asked) else []
        await self._respond("http.response", 204, [*_PREFLIGHT, *allowed], b"")

    async def _respond(self, kind: str, status: int, headers: list[Header], body: bytes) -> None:
        if status != 204:
            headers = [*headers, (b"content-length", str(len(body)).encode())]
        await self._send({"type": f"{kind}.start", "status": status, "headers": self._complete(headers)})
        silent = self._scope.get("method") == "HEAD"
        await self._send({"type": f"{kind}.body", "body": b"" if silent else body})


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin1") for key, value in scope["headers"] if key.lower() == name]


def host_name(host: str) -> str | None:
    """`localhost:5000` → `localhost`; None for what is no host."""
    found = _HOST.fullmatch(host.strip())
    return found[1].lower().removesuffix(".") if found else None


def _guarded(scope: Scope) -> bool:
    # a page may not read a foreign GET without CORS, but a socket knows no such rule, and polling opens one
    if scope["type"] == "websocket" or scope["path"].lstrip("/").startswith("socket.io"):
        return True
    return scope["method"] not in _SAFE_METHODS


def _is_preflight(scope: Scope) -> bool:
    if scope["type"] != "http" or scope["method"] != "OPTIONS":
        return False
    return any(name.lower() == b"access-control-request-method" for name, _ in scope["headers"])


def _unknown_host(hosts: list[str]) -> str:
    named = hosts[0][:100] if hosts else ""
    return f"This server does not answer to the host {named!r}: add it to TELEMETRIO_ALLOWED_HOSTS"


def _foreign_origin(origins: list[str]) -> str:
    return f"Pages of {origins[0][:100]!r} may not do this: add that origin to TELEMETRIO_CORS_ORIGINS"
