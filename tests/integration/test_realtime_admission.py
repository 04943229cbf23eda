"""Live streams with `auth = required`, through a real Hypercorn: a ticket opens one, and shows its user's devices."""

import asyncio
import time
from typing import Any

import aiohttp
import pytest

from services.realtime.admission import Admission, ticket_of
from services.realtime.settings import RealtimeSettings
from shared.tickets import BadTicket, issue
from tests.integration.realtime_server import DEADLINE_S, Client, reading, serving, settings
from tests.integration.test_realtime_socketio import SeedClient

SECRET = "a secret of this test, long enough to be one"  # noqa: S105


def required(**given: Any) -> RealtimeSettings:
    return settings(auth="required", secret_key=SECRET, **given)


def ticket(user_id: int = 7, *, everybody: bool = False, secret: str = SECRET, age_s: float = 0) -> str:
    return issue(secret, "ws", user_id, everybody=everybody, now_s=time.time() - age_s)


async def test_a_ticket_opens_one_websocket_with_its_users_readings() -> None:
    """Those of everybody for an administrator; a second time it opens nothing."""
    shown = [ticket(), ticket(1, everybody=True)]
    async with serving(required()) as server, aiohttp.ClientSession() as session:
        seen = []
        for text in shown:
            async with session.ws_connect(f"{server.http}/ws?ticket={text}") as raw:
                client = Client(raw)
                assert (await client.next())["type"] == "welcome"
                await client.subscribe("*", 1)
                server.publish(reading("hers", 1, owner=7), reading("his", 1, owner=8))
                seen.append([one["device_id"] for one in (await client.next())["readings"]])
        assert seen == [["hers"], ["hers", "his"]]
        async with session.ws_connect(f"{server.http}/ws?ticket={shown[0]}") as raw:
            assert (await raw.receive(DEADLINE_S)).type == aiohttp.WSMsgType.CLOSE
            assert raw.close_code == 4401


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?ticket=",
        "?ticket=nonsense",
        f"?ticket={ticket(secret='x' * 40)}",
        f"?ticket={ticket(age_s=60)}",
        f"?ticket={issue(SECRET, 'sse', 7, everybody=True, now_s=time.time())}",
        f"?ticket={ticket()}&ticket={ticket()}",
        f"?ticket={'x' * 9_000}",
    ],
)
async def test_without_a_good_ticket_there_is_no_websocket(query: str) -> None:
    """4401, the mend as its reason, and not one reading; the same for what was no ticket for this."""
    async with serving(required()) as server, aiohttp.ClientSession() as session:
        async with session.ws_connect(f"{server.http}/ws{query}") as raw:
            closed = await raw.receive(DEADLINE_S)
            assert (closed.type, raw.close_code) == (aiohttp.WSMsgType.CLOSE, 4401)
            assert "/api/v1/live/ticket" in str(closed.extra)
        assert len(server.realtime.sessions) == 0


@pytest.mark.parametrize("transports", [["polling"], ["websocket"]])
async def test_socketio_takes_a_ticket(transports: list[str]) -> None:
    """In `auth`; the page gets its user's readings and nobody else's."""
    async with serving(required()) as server:
        page = SeedClient()
        await page.client.connect(server.http, transports=transports, auth={"ticket": ticket()})
        server.publish(reading("his", 1, owner=8), reading("hers", 1, owner=7))
        assert (await page.next())["device_id"] == "hers"
        await page.client.disconnect()


@pytest.mark.parametrize("auth", [None, {"ticket": "nonsense"}, {"ticket": 5}, "ticket"])
async def test_socketio_without_a_ticket(auth: object) -> None:
    """Sent away at once, with no session left behind."""
    async with serving(required()) as server:
        page = SeedClient()
        await page.client.connect(server.http, transports=["websocket"], auth=auth, wait=False)
        await asyncio.wait_for(page.gone.wait(), DEADLINE_S)
        server.publish(reading("hers", 1, owner=7))
        assert len(server.realtime.sessions) == 0
        assert page.events.empty()
        await page.client.disconnect()


def test_an_open_door_asks_for_nothing() -> None:
    """Everybody sees everything, as the local admin."""
    assert Admission(None).admit(None) is None


def test_without_a_secret_nobody_is_let_in() -> None:
    """An empty one could be guessed by anybody."""
    with pytest.raises(BadTicket):
        Admission("").admit(ticket(secret=""))


def test_a_ticket_in_an_address() -> None:
    """Exactly one."""
    assert ticket_of({"query_string": b"a=b&ticket=x.y.z"}) == "x.y.z"
    for query in (b"", b"ticket=a&ticket=b", b"ticket=" + b"x" * 9_000):
        assert ticket_of({"query_string": query}) is None
