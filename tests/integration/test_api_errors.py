"""Every error has one shape, and none of them tells what is inside."""

import re
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NoReturn

import orjson
import pytest
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from services.api.auth import access_of
from services.api.items import queries
from shared.database.engine import open_engine
from shared.timeseries.sqlite import SqliteStore
from shared.timeseries.store import Denied, RawPage, RawQuery, Unavailable
from tests.integration.api_rig import Answer, Api, make, opened

KEYS = {"error", "message", "status", "code", "details", "request_id"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path) as given:
        yield given


def shaped(answer: Answer, status: int, code: str) -> dict[str, Any]:
    """The body, once it is known to have the one shape."""
    told: dict[str, Any] = answer.json
    assert set(told) == KEYS
    assert (answer.status, told["status"], told["code"]) == (status, status, code)
    assert told["error"] == told["message"] != ""
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["X-Request-ID"] == told["request_id"]
    return told


async def test_nothing_there(api: Api) -> None:
    """404 for a path that no route has."""
    shaped(await api.get("/api/nothing"), 404, "not_found")
    shaped(await api.get("/assets/../../etc/passwd"), 404, "not_found")


async def test_a_method_that_a_path_does_not_know(api: Api) -> None:
    """405, with those that it knows."""
    answer = await api.ask("PATCH", "/api/devices")
    shaped(answer, 405, "method_not_allowed")
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS", "POST"}


async def test_a_body_that_is_too_large(tmp_path: Path) -> None:
    """413 above the setting, for a length that was told."""
    async with opened(tmp_path, max_body_kib=1) as api:
        answer = await api.ask("POST", "/api/devices", data=b" " * 1025, headers=JSON)
        shaped(answer, 413, "request_entity_too_large")
        enough = await api.ask("POST", "/api/devices", data=b" " * 1024, headers=JSON)
        shaped(enough, 400, "bad_json")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
async def test_a_body_of_another_kind(api: Api, kind: str) -> None:
    """415 says which one is wanted: a form of a foreign page can't send that one."""
    headers = {"Content-Type": kind} if kind else {}
    answer = await api.ask("POST", "/api/devices", data=b'{"device_id":"d","name":"n"}', headers=headers)
    assert "application/json" in shaped(answer, 415, "not_json")["message"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"name": NaN}',
        b'{"name": "\\ud800"}',
        b'{"name": "\xed\xa0\x80"}',
        b"[" * 10_000 + b"]" * 10_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    ],
)
async def test_a_body_that_is_no_json(api: Api, body: bytes) -> None:
    """400 for broken, too deep, bad UTF-8, half a surrogate pair, NaN."""
    shaped(await api.ask("POST", "/api/v1/items", data=body, headers=JSON), 400, "bad_json")


@pytest.mark.parametrize("body", [b"null", b"[]", b"1", b'"name"', b"[[]]", b"true"])
async def test_a_body_that_is_no_object(api: Api, body: bytes) -> None:
    """400: a list has no name."""
    shaped(await api.ask("POST", "/api/v1/items", data=body, headers=JSON), 400, "not_an_object")


async def test_a_parameter_that_no_route_knows(api: Api) -> None:
    """Whatever is read, a slip of the pen is a 400 that names it, and not a wish to be left alone."""
    read = [rule for rule in api.app.url_map.iter_rules() if "GET" in (rule.methods or ())]
    asked = [rule for rule in read if access_of(api.app.view_functions[rule.endpoint]) != "public"]
    assert len(asked) > 20
    for rule in asked:
        answer = await api.get(f"{re.sub('<[^>]*>', '1', rule.rule)}?devcies=d1")
        told = shaped(answer, 400, "validation_failed")["details"]
        assert {"field": "devcies", "code": "unknown", "message": "devcies is not known here"} in told, rule


async def test_validation_says_every_field_and_never_repeats_the_input(api: Api) -> None:
    """Field, code, message; no value, no address of somebody's documentation."""
    sent = {"name": 1, "status": "s3cret-value", "quantity": "s3cret-value"}
    answer = await api.post("/api/v1/items", sent)
    told = shaped(answer, 400, "validation_failed")
    assert [detail["field"] for detail in told["details"]] == ["name", "status", "quantity"]
    assert all(set(detail) == {"field", "code", "message"} for detail in told["details"])
    assert b"s3cret" not in answer.body
    assert b"http" not in answer.body


async def test_a_failure_inside_tells_nothing_but_its_number(
    api: Api, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """500 with the request_id under which the log has it."""

    def broken(*_args: object) -> NoReturn:
        raise RuntimeError("the password is 12345")

    monkeypatch.setattr(queries, "get_item", broken)
    answer = await api.get("/api/v1/items/1")
    told = shaped(answer, 500, "internal_error")
    assert b"12345" not in answer.body
    assert told["request_id"] in capsys.readouterr().out


async def test_a_request_keeps_its_own_id(api: Api) -> None:
    """If it is a plain one; it stands on every answer, good or bad."""
    good = await api.get("/api/devices", headers={"X-Request-ID": "trace-0123"})
    assert good.headers["X-Request-ID"] == "trace-0123"
    bad = await api.get("/api/nothing", headers={"X-Request-ID": "trace 0123\\x"})
    assert re.fullmatch(r"[0-9a-f]{32}", bad.headers["X-Request-ID"])


@pytest.mark.parametrize("path", ["/api/devices", "/api/v1/items", "/api/v1/dead-letters", "/api/v1/ingest/books"])
async def test_a_database_that_is_away(tmp_path: Path, path: str) -> None:
    """503 with when to come back, whether it refuses connections or has no tables yet."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    nowhere = [
        f"postgresql+asyncpg://nobody@127.0.0.1:{port}/none",
        f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}",
    ]
    for url in nowhere:
        engine = open_engine(url)
        answer = await make(tmp_path, engine, SqliteStore(tmp_path / "r.db")).get(path)
        await engine.dispose()
        shaped(answer, 503, "database_unavailable")
        assert int(answer.headers["Retry-After"]) > 0


async def test_a_pool_that_is_used_up(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """503: it is busy, not broken."""

    def exhausted(*_args: object) -> NoReturn:
        raise PoolTimeout("QueuePool limit of size 4 overflow 4 reached")

    monkeypatch.setattr(queries, "get_item", exhausted)
    answer = await api.get("/api/v1/items/1")
    assert "QueuePool" not in shaped(answer, 503, "database_unavailable")["message"]


@pytest.mark.parametrize(
    ("error", "retry_after"),
    [(Unavailable("x"), "5"), (Unavailable("x", 7.9), "7"), (Unavailable("x", 1e9), "300"), (Denied("token"), "5")],
)
async def test_a_store_that_is_away(
    api: Api, monkeypatch: pytest.MonkeyPatch, error: Unavailable, retry_after: str
) -> None:
    """503, with the store's own word on when to come back, within reason."""

    async def away(_store: SqliteStore, _query: RawQuery) -> RawPage:
        raise error

    monkeypatch.setattr(SqliteStore, "raw", away)
    await api.add_devices("d1")
    answer = await api.get("/api/v1/devices/d1/readings")
    shaped(answer, 503, "store_unavailable")
    assert answer.headers["Retry-After"] == retry_after


async def test_head_and_options_are_fine(api: Api) -> None:
    """Both are answered on every path of the API that has a GET."""
    assert (await api.ask("HEAD", "/api/devices")).status == 200
    options = await api.ask("OPTIONS", "/api/devices")
    assert (options.status, "GET" in options.headers["Allow"]) == (200, True)


async def test_a_slash_too_many_is_forgiven(api: Api) -> None:
    """The same answer, not a redirect that would drop a body."""
    assert (await api.get("/api/devices/")).json == []
    added = await api.ask("POST", "/api/v1/items/", data=orjson.dumps({"name": "n"}), headers=JSON)
    assert added.status == 201


@pytest.mark.parametrize("sqlstate", ["57P03", "57P01", "57014", "53300", "08006", "28P01", "3D000", "40P01"])
async def test_a_database_that_starts_stops_or_is_full_is_away(
    api: Api, monkeypatch: pytest.MonkeyPatch, sqlstate: str
) -> None:
    """503: what PostgreSQL says of itself is no fault of the request; a fault of a statement stays a failure."""

    class Said(Exception):
        pass

    said = Said("the database system is starting up")

    def refusing(*_args: object) -> NoReturn:
        raise DBAPIError("SELECT 1", {}, said)

    monkeypatch.setattr(queries, "get_item", refusing)
    said.sqlstate = sqlstate  # type: ignore[attr-defined] # as the driver has it
    shaped(await api.get("/api/v1/items/1"), 503, "database_unavailable")
    said.sqlstate = "42P01"  # type: ignore[attr-defined] # a table that isn't there
    shaped(await api.get("/api/v1/items/1"), 500, "internal_error")
