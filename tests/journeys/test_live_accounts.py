"""`telemetrio up` with accounts, live: a ticket opens a stream with what is its user's, until the user is disabled."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from copy import copy
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from services.api.accounts.first import EMAIL
from tests.peers.system import System

WITHIN_S = 10.0
AT_ONCE_S = 2.0
SESSIONS = "/api/v1/auth/sessions"
ADMINS, HERS = "a sentence of the operator", "a sentence of her own"
ANN: dict[str, Any] = {
    "email": "ann@example.org",
    "name": "Ann",
    "role": "user",
    "password": HERS,
    "must_change_password": False,
}


class Person:
    """Somebody who is logged in."""

    def __init__(self, system: System, email: str, password: str) -> None:
        self._system = system
        self._headers: dict[str, str] = {}
        told = self.ask("POST", "/api/v1/auth/login", {"email": email, "password": password}, expected=200)
        self._headers = {"Authorization": f"Bearer {told['access_token']}"}

    def ask(self, method: str, path: str, body: Any = None, expected: int = 201) -> Any:
        status, told = self._system.request(method, path, body, **self._headers)
        assert status == expected, told
        return told

    def with_key(self) -> "Person":
        """The same, by an API key."""
        key = self.ask("POST", "/api/v1/api-keys", {"name": "k", "scopes": ["live"]})["key"]
        other = copy(self)
        other._headers = {"Authorization": f"Bearer {key}"}
        return other

    def ticket(self, purpose: str) -> str:
        text: str = self.ask("POST", "/api/v1/live/ticket", {"purpose": purpose})["ticket"]
        return text


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[System]:
    running = System(tmp_path / "data", TELEMETRIO_AUTH="required")
    running.start()
    yield running
    running.stop()


@pytest.fixture
def admin(guarded: System) -> Person:
    (first,) = (line.split()[2] for line in guarded.said if line.startswith("login "))
    change = {"current_password": first, "new_password": ADMINS}
    Person(guarded, EMAIL, first).ask("POST", "/api/v1/auth/password", change, 204)
    return Person(guarded, EMAIL, ADMINS)


@asynccontextmanager
async def websocket(system: System, ticket: str) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{system.http}/ws?ticket={ticket}") as raw:
        await raw.send_str('{"type":"subscribe","id":1,"devices":"*"}')
        while orjson.loads((await raw.receive(WITHIN_S)).data)["type"] != "snapshot":
            pass
        yield raw


@asynccontextmanager
async def events(system: System, ticket: str) -> AsyncIterator[aiohttp.StreamReader]:
    async with aiohttp.ClientSession() as session, session.get(f"{system.http}/sse?ticket={ticket}") as answer:
        assert answer.status == 200
        while (await told(answer.content))["type"] != "snapshot":
            pass
        yield answer.content


async def told(stream: aiohttp.StreamReader) -> Any:
    while not (line := await asyncio.wait_for(stream.readline(), WITHIN_S)).startswith(b"data: "):
        assert line
    return orjson.loads(line.removeprefix(b"data: "))


async def next_frame(raw: aiohttp.ClientWebSocketResponse) -> Any:
    return orjson.loads((await raw.receive(WITHIN_S)).data)


async def until_readings(following: Callable[[], Awaitable[Any]]) -> Any:
    while not shown(message := await following()):
        pass
    return message


def shown(message: Any) -> set[str]:
    return {one["device_id"] for one in message.get("readings", ())}


async def test_a_ticket_shows_what_is_its_users_until_the_user_is_disabled(guarded: System, admin: Person) -> None:
    """Over `/ws` and `/sse`: hers to her, all to the administrator; disabled by the API, both of hers end with 4401."""
    ann_id = admin.ask("POST", "/api/v1/users", ANN)["id"]
    ann = Person(guarded, ANN["email"], HERS)
    ann.ask("POST", "/api/v1/devices", {"device_id": "hers", "name": "Hers"})
    await asyncio.to_thread(guarded.restart)  # ingest knows whose it is, and logins and secrets last
    again = ann.ticket("sse")
    async with (
        websocket(guarded, ann.ticket("ws")) as hers,
        websocket(guarded, admin.ticket("ws")) as everything,
        events(guarded, again) as stream,
    ):
        for device in ("others", "hers"):
            await asyncio.to_thread(guarded.publish, f"iot/devices/{device}/data", '{"temperature": 23.5}')
        seen: set[str] = set()
        while seen != {"others", "hers"}:
            seen |= shown(orjson.loads((await everything.receive(WITHIN_S)).data))
        assert shown(await until_readings(lambda: next_frame(hers))) == {"hers"}
        assert shown(await until_readings(lambda: told(stream))) == {"hers"}

        disabling = {"disabled": True}
        await asyncio.to_thread(admin.ask, "PATCH", f"/api/v1/users/{ann_id}", disabling, 200)
        while (frame := await hers.receive(WITHIN_S)).type is aiohttp.WSMsgType.TEXT:
            pass
        assert (frame.type, frame.data) == (aiohttp.WSMsgType.CLOSE, 4401)
        while (end := await told(stream)).get("code") != 4401:
            pass
        assert end["reason"] == "access was withdrawn"
        await everything.send_str('{"type":"ping"}')
        while orjson.loads((await everything.receive(WITHIN_S)).data)["type"] != "pong":
            pass
    async with aiohttp.ClientSession() as session, session.get(f"{guarded.http}/sse?ticket={again}") as refused:
        assert refused.status == 401


async def ended(raw: aiohttp.ClientWebSocketResponse) -> bool:
    """With 4401, whatever came before it; `raw.close_code` says 1006 where the answer to it found nobody any more."""
    while (frame := await raw.receive(WITHIN_S)).type is aiohttp.WSMsgType.TEXT:
        pass
    return bool(frame.data == 4401)


async def goes_on(raw: aiohttp.ClientWebSocketResponse) -> bool:
    await raw.send_str('{"type":"ping"}')
    while (message := await next_frame(raw))["type"] != "pong":
        assert message["type"] != "error"
    return True


async def test_a_stream_ends_with_the_session_that_opened_it(guarded: System, admin: Person) -> None:
    """Ended from another one, by itself or with all others: its streams end at once, not when somebody looks."""
    here, lost, forgotten = [Person(guarded, EMAIL, ADMINS) for _ in range(3)]
    async with AsyncExitStack() as stack:
        mine, first, second = [
            await stack.enter_async_context(websocket(guarded, person.ticket("ws")))
            for person in (here, lost, forgotten)
        ]
        sessions = await asyncio.to_thread(lost.ask, "GET", SESSIONS, None, 200)
        (its,) = [session["id"] for session in sessions if session["current"]]
        for path, stream in ((f"{SESSIONS}/{its}", first), (SESSIONS, second)):
            await asyncio.to_thread(here.ask, "DELETE", path, None, 204)
            async with asyncio.timeout(AT_ONCE_S):
                assert await ended(stream)
            assert await goes_on(mine)


async def test_a_stream_ends_with_the_login_or_the_key_that_opened_it(guarded: System, admin: Person) -> None:
    """Logged out, the key revoked, or another password: its streams end within the second, and no others."""
    logins = [Person(guarded, EMAIL, ADMINS) for _ in range(3)]
    by_key = admin.with_key()
    late = logins[0].ticket("sse")
    async with AsyncExitStack() as stack:
        first, second, third, keys = [
            await stack.enter_async_context(websocket(guarded, person.ticket("ws"))) for person in (*logins, by_key)
        ]
        await asyncio.to_thread(logins[0].ask, "POST", "/api/v1/auth/logout", None, 204)
        assert await ended(first)
        for other in (second, third, keys):
            assert await goes_on(other)
        change = {"current_password": ADMINS, "new_password": f"{ADMINS}, a new one"}
        await asyncio.to_thread(logins[1].ask, "POST", "/api/v1/auth/password", change, 204)
        assert await ended(third)
        assert await goes_on(second)
        assert await goes_on(keys)
        await asyncio.to_thread(logins[1].ask, "DELETE", "/api/v1/api-keys/1", None, 204)
        assert await ended(keys)
        assert await goes_on(second)
    async with aiohttp.ClientSession() as session, session.get(f"{guarded.http}/sse?ticket={late}") as refused:
        assert refused.status == 401
