"""A client that means harm, against a real `telemetrio api`: it gets an error, and nobody else notices."""

import json
import socket
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any, Final
from urllib.parse import quote

import pytest

from shared.identifiers import is_device_id
from tests.peers.api import ApiProcess, Told

pytestmark = pytest.mark.faults

HEAD: Final = b"POST /api/v1/items HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
LONG: Final = b"GET " + b"/a" * 50_000 + b" HTTP/1.1"
KEYS: Final = {"error", "message", "status", "code", "details", "request_id"}
WORDS: Final = (
    "' OR 1=1 --",
    '"; DROP TABLE devices; --',
    "d1' UNION SELECT * FROM users --",
    "/.*/",
    '" OR "user_id"::tag =~ /.*/',
    "${7*7}{{7*7}}",
    "../../../etc/passwd",
    "\x00",
    "\r\nX-Injected: 1",
    "\u202e\U0001f4a9",
    "9" * 5_000,
    "1e999",
    "[]",
    "a" * 5_000,
)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    with ApiProcess(tmp_path_factory.mktemp("hostile") / "data") as running:
        running.ready()
        running.post("/api/devices", {"device_id": "d1", "name": "mine"})
        running.post("/api/v1/items", {"name": "mine"})
        yield running


def refused(told: Told, *statuses: int) -> None:
    """One of these, in the one shape, and without a word of what is inside."""
    assert told.status in (statuses or range(400, 500)), told
    assert set(told.json) == KEYS, told
    assert told.json["status"] == told.status
    assert b"Traceback" not in told.body
    assert b"sqlite" not in told.body.lower()


def intact(api: ApiProcess) -> None:
    assert [device["device_id"] for device in api.get("/api/devices")] == ["d1"]
    assert [item["name"] for item in api.get("/api/v1/items")] == ["mine"]


def routes(api: ApiProcess) -> list[tuple[str, str, list[Any]]]:
    """(method, path, parameters) of everything that the server says it has."""
    paths = api.get("/openapi.json")["paths"]
    return [
        (method.upper(), path, list(told.get("parameters", [])))
        for path, operations in paths.items()
        for method, told in operations.items()
    ]


def filled(path: str, word: str) -> str:
    """The path, with the word in place of each of its variables."""
    pieces = [quote(word, safe="") if piece.startswith("{") else piece for piece in path.split("/")]
    return "/".join(pieces)


def targets(api: ApiProcess) -> Iterator[tuple[str, str]]:
    """(method, path) with each word in place of each variable and each parameter."""
    for method, path, parameters in routes(api):
        if method not in ("GET", "DELETE"):
            continue
        for word in WORDS:
            if "{" in path:
                yield method, filled(path, word)
            for each in parameters:
                if each["in"] == "query":
                    yield method, f"{filled(path, 'd1')}?{each['name']}={quote(word, safe='')}"


def test_injections_in_every_parameter_of_every_route(api: ApiProcess) -> None:
    """In a path or a query: an error, or an honest answer that has nothing; never a failure, and all is as it was."""
    line = HTTPConnection("127.0.0.1", api.port, timeout=30)
    failed = []
    for method, target in targets(api):
        line.request(method, target)
        answer = line.getresponse()
        told = Told(answer.status, answer.headers, answer.read())
        if told.status >= 500:
            failed.append((method, target[:120], told.status))
        elif told.status >= 400:
            refused(told)
    line.close()
    assert failed == []
    intact(api)


def test_injections_in_bodies(api: ApiProcess) -> None:
    """Whatever a field says, it is refused or kept as the word that it is."""
    for word in WORDS:
        refused(api.post("/api/v1/items", {"name": "n", "status": word}), 400)
        if not is_device_id(word):
            refused(api.post("/api/devices", {"name": "n", "device_id": word}), 400)
        refused(api.post("/api/v1/dead-letters/redrive", {"code": word}), 400)
        assert api.post("/api/v1/dead-letters/discard", {"code": [word]}).status in (202, 400)
    kept = [word for word in WORDS if "\x00" not in word and len(word) <= 255]
    added = [api.post("/api/v1/items", {"name": word}).json for word in kept]
    assert [item["name"] for item in added] == kept
    for item in added:
        assert api.ask("DELETE", f"/api/v1/items/{item['id']}").status == 204
    intact(api)


@pytest.mark.parametrize("body", [b"[" * 10_000, b'{"a":' * 10_000 + b"1" + b"}" * 10_000, b"[" * 500_000])
def test_json_that_is_too_deep(api: ApiProcess, body: bytes) -> None:
    """400 on every route that takes one, and the next request is served."""
    for path in ("/api/devices", "/api/v1/items", "/api/v1/dead-letters/redrive"):
        refused(api.ask("POST", path, body), 400)
    intact(api)


@pytest.mark.parametrize(
    "asked",
    [
        "start=-1000000d",
        "start=-99999999999999999999d",
        "start=0&end=99999999999999999999999",
        "start=2026-01-01T00:00:00Z&end=1000000-01-01T00:00:00Z",
        "limit=1000000000",
        "start=now&end=0",
        "metrics=" + "a," * 5_000,
        "cursor=" + "A" * 5_000,
        "cursor=bm90IGEgY3Vyc29y",
    ],
)
def test_a_range_without_end(api: ApiProcess, asked: str) -> None:
    """An error, or an empty page at once: nobody makes the server walk through a million days."""
    told = api.ask("GET", f"/api/v1/devices/d1/readings?{asked}")
    if told.status == 200:
        assert told.json == {"data": [], "cursor": None}
    else:
        refused(told, 400)


def sent_slowly(api: ApiProcess, head: bytes, chunk: bytes, number: int) -> bytes:
    """The beginning of what the server answers to a request whose body is this chunk, so many times."""
    with socket.create_connection(("127.0.0.1", api.port), 30) as line:
        line.sendall(head)
        try:
            for _ in range(number):
                line.sendall(chunk)
        except (BrokenPipeError, ConnectionResetError):
            pass  # it does not want to hear the rest
        try:
            return line.recv(65_536)
        except ConnectionResetError:
            return b""


@pytest.mark.parametrize("told", [True, False])
def test_a_body_of_100_mb(api: ApiProcess, *, told: bool) -> None:
    """413, whether its length was told or not, and memory stays flat: it is not read to the end."""
    before = api.peak_mib
    length = b"Content-Length: 104857600" if told else b"Transfer-Encoding: chunked"
    head = HEAD + length + b"\r\n\r\n"
    piece = b"x" * 65_536
    chunk = piece if told else b"%x\r\n%s\r\n" % (len(piece), piece)
    for _ in range(3):
        answer = sent_slowly(api, head, chunk, 1_600)
        # where it hangs up at once the answer may be lost with the line
        assert answer == b"" or answer.startswith(b"HTTP/1.1 413 "), answer[:200]
    assert api.peak_mib < before + 40
    intact(api)


def test_many_bodies_that_never_come(api: ApiProcess) -> None:
    """Two hundred of them hold up nobody else."""
    head = HEAD + b"Content-Length: 9\r\n\r\n"
    lines = [socket.create_connection(("127.0.0.1", api.port), 30) for _ in range(200)]
    try:
        for line in lines:
            line.sendall(head + b"{")
        intact(api)
        assert api.post("/api/v1/items", {"name": 1}).status == 400
    finally:
        for line in lines:
            line.close()


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET /api/devices HTTP/9.9",
        b"\x16\x03\x01\x02\x00\x01\x00",
        LONG,
        b"\x00" * 100,
    ],
)
def test_what_is_no_http_is_hung_up_on(api: ApiProcess, request_line: bytes) -> None:
    """Or told so; the server goes on."""
    with socket.create_connection(("127.0.0.1", api.port), 30) as line:
        line.sendall(request_line + b"\r\nHost: localhost\r\n\r\n")
        line.settimeout(30)
        try:
            answer = line.recv(65_536)
        except ConnectionResetError:
            answer = b""
    assert answer == b"" or answer.startswith((b"HTTP/1.1 4", b"HTTP/1.1 200 ", b"HTTP/2"))
    intact(api)


def test_headers_without_end(api: ApiProcess) -> None:
    """A thousand of them, or one of a megabyte, cost an error and no memory."""
    before = api.peak_mib
    for headers in (b"".join(b"X-%d: a\r\n" % number for number in range(20_000)), b"X: " + b"a" * 2**20 + b"\r\n"):
        answer = sent_slowly(api, b"GET /api/devices HTTP/1.1\r\nHost: localhost\r\n", headers + b"\r\n", 1)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 4"), answer[:100]
    assert api.peak_mib < before + 40
    intact(api)


def test_a_log_holds_nothing_that_was_sent(api: ApiProcess) -> None:
    """No traceback, and no line that somebody else could have written."""
    api.ask("GET", "/api/devices?" + quote('x=1\n{"event":"forged"}'))
    for line in api.log.splitlines():
        assert "Traceback" not in line
        if line.startswith("{"):
            assert json.loads(line)["event"] != "forged"
