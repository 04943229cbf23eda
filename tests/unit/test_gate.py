"""The outermost layer: which Host, which Origin, which headers, for every kind of request."""

from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from shared.gate import Gate, Message, Receive, Scope, Send, request_id

FRONTEND = "http://localhost:5173"


class Asked:
    """What came out of the gate, and whether the application was reached."""

    def __init__(self) -> None:
        self.reached = False
        self.sent: list[Message] = []

    @property
    def status(self) -> int:
        return int(self.sent[0]["status"])

    def values(self, name: str) -> list[str]:
        return [value.decode() for key, value in self.sent[0]["headers"] if key.lower() == name.encode()]

    def value(self, name: str) -> str | None:
        found = self.values(name)
        assert len(found) <= 1, f"{name} is there {len(found)} times"
        return found[0] if found else None

    @property
    def body(self) -> Any:
        return orjson.loads(b"".join(message.get("body", b"") for message in self.sent[1:]))


async def ask(
    method: str = "GET",
    path: str = "/api/devices",
    *,
    kind: str = "http",
    headers: Sequence[tuple[str, str]] = (),
    answered: Sequence[tuple[bytes, bytes]] = ((b"content-type", b"text/plain"),),
    extensions: dict[str, Any] | None = None,
) -> Asked:
    """Ask through a gate; `headers` without a host are for localhost:5000."""
    asked = Asked()

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        asked.reached = True
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": list(answered)})
            await send({"type": "http.response.body", "body": b"there"})

    async def receive() -> Message:
        return {"type": "websocket.connect" if kind == "websocket" else "http.request"}

    async def send(message: Message) -> None:
        asked.sent.append(message)

    named = headers if any(name == "host" for name, _ in headers) else [("host", "localhost:5000"), *headers]
    path, _, query = path.partition("?")
    scope: Scope = {"type": kind, "path": path, "query_string": query.encode("latin1")}
    scope["headers"] = [(key.encode(), value.encode()) for key, value in named]
    if kind == "http":
        scope["method"] = method
    if extensions is not None:
        scope["extensions"] = extensions
    gate = Gate(app, allowed_hosts=("localhost", "127.0.0.1", "[::1]", "Plant.example"), cors_origins=(FRONTEND,))
    await gate(scope, receive, send)
    return asked


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost:5000", "LocalHost:1", "localhost.:5000", "127.0.0.1:5000", "[::1]:5000", "plant.example"],
)
async def test_a_known_host_comes_through(host: str) -> None:
    """With or without a port, in any case."""
    asked = await ask(headers=[("host", host)])
    assert asked.reached


@pytest.mark.parametrize(
    "host",
    ["", "evil.example", "localhost.evil.example", "localhost:x", "localhost:5000:1", "a@localhost", "[::2]", "::1"],
)
async def test_an_unknown_host_is_told_the_mend(host: str) -> None:
    """DNS rebinding ends at 421; an operator reads which setting lets the name in."""
    asked = await ask(headers=[("host", host)])
    assert (asked.reached, asked.status) == (False, 421)
    assert "TELEMETRIO_ALLOWED_HOSTS" in asked.body["message"]
    assert set(asked.body) == {"error", "message", "status", "code", "details", "request_id"}
    assert asked.value("x-request-id") == asked.body["request_id"]


async def test_two_hosts_are_no_host() -> None:
    """What reads the first and what reads the last must not disagree."""
    asked = await ask(headers=[("host", "localhost"), ("host", "evil.example")])
    assert asked.status == 421


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE"])
@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost", "http://localhost:5173.evil"])
async def test_a_foreign_page_changes_nothing(method: str, origin: str) -> None:
    """Whatever is no GET, HEAD or OPTIONS is refused before the handler runs."""
    asked = await ask(method, headers=[("origin", origin)])
    assert (asked.reached, asked.status, asked.body["code"]) == (False, 403, "origin_not_allowed")
    assert "TELEMETRIO_CORS_ORIGINS" in asked.body["message"]
    assert asked.value("access-control-allow-origin") is None


@pytest.mark.parametrize("origin", ["http://localhost:5000", "https://LOCALHOST:5000", FRONTEND, None])
async def test_own_pages_known_pages_and_programs_change_things(origin: str | None) -> None:
    """This server's own pages, those in cors_origins, and clients that send no Origin."""
    asked = await ask("POST", headers=[] if origin is None else [("origin", origin)])
    assert asked.reached


async def test_a_foreign_get_is_answered_but_not_shared() -> None:
    """Without the CORS header the browser keeps the answer from the page."""
    asked = await ask(headers=[("origin", "http://evil.example")])
    assert asked.reached
    assert asked.value("access-control-allow-origin") is None
    assert asked.value("vary") == "Origin"


@pytest.mark.parametrize("path", ["/socket.io/", "/socket.io", "//socket.io/"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_socketio_polling_is_closed_to_foreign_pages(method: str, path: str) -> None:
    """Polling is a socket in the shape of a GET, however its path is written."""
    asked = await ask(method, path, headers=[("origin", "http://evil.example")])
    assert (asked.reached, asked.status) == (False, 403)


async def test_a_known_page_may_read_everything() -> None:
    """CORS headers stand on the answer, once, whatever the application itself said."""
    foreign = [(b"Access-Control-Allow-Origin", b"*"), (b"Access-Control-Allow-Credentials", b"true")]
    asked = await ask(path="/socket.io/", headers=[("origin", FRONTEND)], answered=foreign)
    assert asked.value("access-control-allow-origin") == FRONTEND
    assert asked.value("access-control-allow-credentials") is None
    assert "x-request-id" in (asked.value("access-control-expose-headers") or "")


async def test_a_preflight_is_answered_here() -> None:
    """The application never sees it; the headers that were asked for are allowed."""
    asked = await ask(
        "OPTIONS",
        headers=[
            ("origin", FRONTEND),
            ("access-control-request-method", "PUT"),
            ("access-control-request-headers", "content-type, x-tenant"),
        ],
    )
    assert (asked.reached, asked.status) == (False, 204)
    assert asked.value("access-control-allow-origin") == FRONTEND
    assert "PUT" in (asked.value("access-control-allow-methods") or "")
    assert asked.value("access-control-allow-headers") == "content-type, x-tenant"


async def test_a_foreign_preflight_allows_nothing() -> None:
    """It reaches the application as an OPTIONS, and no CORS header is on the answer."""
    asked = await ask("OPTIONS", headers=[("origin", "http://evil.example"), ("access-control-request-method", "PUT")])
    assert asked.reached
    assert asked.value("access-control-allow-origin") is None


async def test_a_preflight_can_not_plant_headers() -> None:
    """What is no list of header names is not sent back."""
    asked = await ask(
        "OPTIONS",
        headers=[
            ("origin", FRONTEND),
            ("access-control-request-method", "PUT"),
            ("access-control-request-headers", "a\r\nset-cookie: b"),
        ],
    )
    assert asked.value("access-control-allow-headers") is None


async def test_every_answer_carries_the_security_headers() -> None:
    """Also those of the gate itself; a page's own policy is left alone."""
    for asked in (await ask(), await ask(headers=[("host", "evil.example")])):
        assert asked.value("x-content-type-options") == "nosniff"
        assert asked.value("x-frame-options") == "DENY"
        assert "frame-ancestors 'none'" in (asked.value("content-security-policy") or "")
    own = await ask(answered=[(b"Content-Security-Policy", b"default-src 'self'")])
    assert own.value("content-security-policy") == "default-src 'self'"


@pytest.mark.parametrize("headers", [[("host", "evil.example")], [("origin", "http://evil.example")]])
async def test_a_websocket_is_refused_before_it_is_accepted(headers: list[tuple[str, str]]) -> None:
    """With a status where the server can give one, else with a close."""
    told = await ask(path="/ws", kind="websocket", headers=headers, extensions={"websocket.http.response": {}})
    assert told.sent[0]["type"] == "websocket.http.response.start"
    assert told.body["code"] in ("host_not_allowed", "origin_not_allowed")
    closed = await ask(path="/ws", kind="websocket", headers=headers)
    assert [message["type"] for message in closed.sent] == ["websocket.close"]
    assert closed.sent[0]["code"] == 1008
    assert not told.reached
    assert not closed.reached


@pytest.mark.parametrize("origin", ["http://localhost:5000", FRONTEND, None])
async def test_a_websocket_of_a_known_page_comes_through(origin: str | None) -> None:
    """Own pages, known pages, programs."""
    asked = await ask(path="/ws", kind="websocket", headers=[] if origin is None else [("origin", origin)])
    assert asked.reached


async def test_raw_bytes_in_a_query_string_are_refused() -> None:
    """400 here, where it would be a 500 further in; percent-encoded ones come through."""
    asked = await ask(path="/api/devices?x=\xff")
    assert (asked.reached, asked.status, asked.body["code"]) == (False, 400, "bad_query")
    assert (await ask(path="/api/devices?x=%FF")).reached


async def test_the_lifespan_passes() -> None:
    """It has no headers, and nobody outside sends it."""
    asked = await ask(kind="lifespan")
    assert asked.reached


async def test_a_refused_head_has_no_body() -> None:
    """The length is told, the body stays away."""
    asked = await ask("HEAD", headers=[("host", "evil.example")])
    assert asked.sent[1]["body"] == b""
    assert int(asked.value("content-length") or 0) > 0


@pytest.mark.parametrize("given", [None, "", "short", "a" * 65, "with blank here", "line\nbreak!", "quote'quote"])
def test_an_odd_request_id_is_replaced(given: str | None) -> None:
    """Nothing that could forge a log line is taken over."""
    assert request_id(given) != given
    assert len(request_id(given)) == 32


def test_a_plain_request_id_is_kept() -> None:
    """So that one request can be followed through several services."""
    assert request_id("trace-0123.abc_DEF") == "trace-0123.abc_DEF"


def test_a_host_that_can_never_match_is_refused_at_the_start() -> None:
    """A setting that would silently let nobody in names itself."""
    with pytest.raises(ValueError, match="TELEMETRIO_ALLOWED_HOSTS"):
        Gate(lambda _scope, _receive, send: send({}), allowed_hosts=("::1",), cors_origins=())
