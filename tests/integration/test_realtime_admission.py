"""Who comes in, and who must go: tickets, limits and withdrawn access through a real Hypercorn."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from math import inf
from typing import Any

import aiohttp
import orjson
import pytest
import socketio

from services.realtime import app as realtime_app
from services.realtime.admission import PATIENCE_S, Guest
from services.realtime.transports.websocket import WebSocketEndpoint
from tests.fakes.gatekeeper import FakeGatekeeper
from tests.integration.realtime_server import Client, Server, reading, serving, settings, streaming
from tests.peers.waiting import eventually_async

ANN, BOB = Guest(1, frozenset({1})), Guest(2, frozenset({2}))
SECRET = "a-ticket-that-no-log-may-show"  # noqa: S105 - a word that stands for a ticket


def keeper() -> FakeGatekeeper:
    return FakeGatekeeper(ann=ANN, bob=BOB, admin=Guest(9, None), **{SECRET: ANN})


@asynccontextmanager
async def entering(server: Server, query: str = "") -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session, session.ws_connect(f"{server.http}/ws{query}") as raw:
        yield Client(raw)


async def test_a_ticket_in_the_address_opens_its_owners_devices() -> None:
    """The session sees what the ticket's user may see, and nothing tells what else there is."""
    async with serving(keeper=keeper()) as server, entering(server, "?ticket=ann") as client:
        server.publish(reading("mine", 1, owner=1), reading("theirs", 1, owner=2))
        assert (await client.next())["type"] == "welcome"
        await client.send(type="subscribe", id=1, devices=["mine", "theirs", "nobodys"])
        assert (await client.next())["unknown"] == ["nobodys", "theirs"]
        assert [one["device_id"] for one in (await client.next())["readings"]] == ["mine"]
        server.publish(reading("theirs", 2, owner=2), reading("mine", 2, owner=1))
        assert [one["device_id"] for one in (await client.next())["readings"]] == ["mine"]


async def test_a_ticket_in_the_first_message_does_too() -> None:
    """Before it nothing is said, after it comes the welcome."""
    async with serving(keeper=keeper()) as server, entering(server) as client:
        await client.send(type="auth", ticket="ann")
        assert (await client.next())["type"] == "welcome"


async def test_in_open_mode_a_ticket_changes_nothing() -> None:
    """The same client works in both modes: neither place of the ticket is an error, and it is in."""
    async with serving() as server, entering(server, "?ticket=whatever") as client:
        await client.send(type="auth", ticket="whatever")
        await client.send(type="ping")
        assert [(await client.next())["type"] for _ in range(2)] == ["welcome", "pong"]


@pytest.mark.parametrize(
    ("query", "first", "code"),
    [
        ("?ticket=nonsense", None, 4401),
        ("?ticket=", None, 4401),
        ("?ticket=other", None, 4403),
        ("", {"type": "auth", "ticket": "nonsense"}, 4401),
        ("", {"type": "subscribe", "id": 1, "devices": "*"}, 4401),
        ("", {"type": "auth"}, 4401),
    ],
)
async def test_who_is_nobody_is_closed_with_a_code(query: str, first: dict[str, Any] | None, code: int) -> None:
    """Accepted, so that a page can read it, then closed; no welcome, no reading, no session."""
    gate = keeper()
    gate.forbidden.add("other")
    async with serving(keeper=gate) as server, entering(server, query) as client:
        if first is not None:
            await client.send(**first)
        frame = await client.raw.receive(10)
        assert (frame.type, frame.data) == (aiohttp.WSMsgType.CLOSE, code)
        assert len(server.realtime.sessions) == 0


async def test_who_says_nothing_is_closed_with_4408(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection without a login does not stay."""

    def soon(entrance: Any, opened: Any) -> WebSocketEndpoint:
        return WebSocketEndpoint(entrance, opened, login_within_s=0.1)

    monkeypatch.setattr(realtime_app, "WebSocketEndpoint", soon)
    async with serving(keeper=keeper()) as server, entering(server) as client:
        assert await client.closed() == 4408


async def test_a_user_has_so_many_connections() -> None:
    """One more is closed with 4429, or answered 429; another user is not concerned, and one that leaves makes room."""
    async with serving(settings(connections_per_user=2), keeper=keeper()) as server:
        async with entering(server, "?ticket=ann") as one, streaming(server, "?ticket=ann") as two:
            await one.next()
            await two.next()
            async with entering(server, "?ticket=ann") as third:
                assert await third.closed() == 4429
            async with streaming(server, "?ticket=ann") as fourth:
                assert (fourth.answer.status, fourth.answer.headers["retry-after"]) == (429, "10")
            async with entering(server, "?ticket=bob") as other:
                assert (await other.next())["type"] == "welcome"
        await server.emptied()
        async with entering(server, "?ticket=ann") as again:
            assert (await again.next())["type"] == "welcome"
        assert server.realtime.entrance.refused["denied"] == 2


async def test_a_stream_takes_a_ticket_or_a_header() -> None:
    """`?ticket=` for pages, `Authorization: Bearer` for programs; without either 401 in the shape of every error."""
    gate = keeper()
    async with serving(keeper=gate) as server:
        async with streaming(server, "?ticket=ann") as page:
            assert (await page.next())["type"] == "welcome"
        async with streaming(server, Authorization="Bearer bob") as program:
            assert (await program.next())["type"] == "welcome"
        async with streaming(server) as nobody:
            body = await nobody.answer.json()
            assert (nobody.answer.status, body["code"]) == (401, "unauthorized")
        assert [(offer.kind, offer.purpose) for offer in gate.asked] == [("ticket", "sse"), ("bearer", "sse")]


async def test_socketio_takes_a_ticket() -> None:
    """With `auth: {ticket}` its owner's readings come; without a good one an error, and the end."""
    async with serving(keeper=keeper()) as server:
        seen: asyncio.Queue[Any] = asyncio.Queue()
        good, bad = socketio.AsyncClient(), socketio.AsyncClient(reconnection=False)
        good.on("sensor_data", seen.put)
        bad.on("error", seen.put)
        await bad.connect(server.http, auth={"ticket": "nonsense"})
        assert (await asyncio.wait_for(seen.get(), 10))["code"] == 4401
        await bad.wait()
        await good.connect(server.http, auth={"ticket": "ann"})

        async def there() -> bool:
            return len(server.realtime.sessions) == 1

        await eventually_async(there)
        server.publish(reading("theirs", 1, owner=2), reading("mine", 1, owner=1))
        assert (await asyncio.wait_for(seen.get(), 10))["device_id"] == "mine"
        await good.disconnect()


async def test_access_that_is_withdrawn_ends_now() -> None:
    """After the registry's notice a disabled user's sessions are closed with 4401, one with fewer owners sees less."""
    gate = keeper()
    gate.guests["ann"] = Guest(1, frozenset({1, 7}))
    async with (
        serving(keeper=gate) as server,
        entering(server, "?ticket=ann") as ann,
        entering(server, "?ticket=bob") as bob,
    ):
        await ann.subscribe()
        await bob.subscribe()
        server.publish(reading("lent", 1, owner=7))
        assert (await ann.next())["readings"][0]["device_id"] == "lent"
        gate.guests = {"ann": ANN}
        server.realtime.review_soon()
        assert await bob.closed() == 4401
        server.publish(reading("lent", 2, owner=7), reading("mine", 2, owner=1))
        assert [one["device_id"] for one in (await ann.next())["readings"]] == ["mine"]


async def test_accounts_that_can_not_be_asked_end_nobody() -> None:
    """While the database is away sessions stay as they are, and the next review sees to it."""
    gate = keeper()
    async with serving(keeper=gate) as server, entering(server, "?ticket=bob") as bob:
        await bob.subscribe()
        gate.away = True
        gate.guests = {}

        async def reviewed(times: int) -> bool:
            return gate.reviews >= times

        server.realtime.review_soon()
        await eventually_async(lambda: reviewed(1))
        await bob.send(type="ping")
        assert (await bob.next())["type"] == "pong"
        gate.away = False
        server.realtime.review_soon()
        assert await bob.closed() == 4401


async def test_no_log_shows_a_ticket(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither a good nor a bad one, in any place, at any level, also when the session fails."""
    caplog.set_level(logging.DEBUG)
    async with serving(keeper=keeper()) as server:
        async with entering(server, f"?ticket={SECRET}") as client:
            await client.next()
            (session,) = server.realtime.sessions
            session.end(1011, "broken")
            await client.closed()
        async with entering(server) as client:
            await client.send(type="auth", ticket=f"{SECRET}-not")
            assert await client.closed() == 4401
        async with streaming(server, f"?ticket={SECRET}&devices=d1") as events:
            await events.next()
        async with streaming(server, f"?ticket={SECRET}&device=d1") as refused:
            assert refused.answer.status == 400
            assert SECRET not in await refused.answer.text()
    shown = capsys.readouterr()
    mine = [record.getMessage() for record in caplog.records if not record.name.startswith("aiohttp")]
    assert SECRET not in "".join([*mine, shown.out, shown.err])


async def test_nobody_passes_the_turnstile_by_the_name_of_a_parameter() -> None:
    """A Socket.IO page that has no session waits for its turn, whatever else is in its address."""
    async with serving(settings(newcomers_per_s=1)) as server, aiohttp.ClientSession() as session:
        server.realtime.entrance._turnstile._next_s = inf
        for more in ("", "&xsid=1", "&t=sid=1"):
            answer = await session.get(f"{server.http}/socket.io/?EIO=4&transport=polling{more}")
            assert answer.status == 503, more


async def test_a_crowd_comes_in_one_by_one() -> None:
    """Newcomers above the rate wait their turn; those who would wait too long are told when to come back."""
    async with serving(settings(newcomers_per_s=10)) as server, aiohttp.ClientSession() as session:
        clients = await asyncio.gather(*(session.ws_connect(f"{server.http}/ws") for _ in range(40)))
        first = await asyncio.gather(*(client.receive(10) for client in clients))
        refused = [frame for frame in first if frame.type is aiohttp.WSMsgType.CLOSE]
        welcome = [frame for frame in first if frame.type is aiohttp.WSMsgType.TEXT]
        assert {frame.data for frame in refused} == {1013}
        delays = {float(str(frame.extra).split()[-2]) for frame in refused}
        assert len(delays) > 1
        assert len(welcome) >= PATIENCE_S * 10
        assert {orjson.loads(frame.data)["type"] for frame in welcome} == {"welcome"}
        assert server.realtime.entrance.refused["crowded"] == len(refused) > 0
        for client in clients:
            await client.close()


async def test_subscribing_has_a_pace() -> None:
    """One more in the same minute is refused by name, and what is subscribed stays."""
    async with serving(settings(subscribes_per_min=2)) as server, entering(server) as client:
        await client.subscribe(["d1"], 1)
        await client.subscribe(["d2"], 2)
        await client.send(type="subscribe", id=3, devices="*")
        error = await client.until("error")
        assert (error["code"], error["id"]) == ("rate_limited", 3)
        server.publish(reading("d3", 1), reading("d2", 1))
        assert [one["device_id"] for one in (await client.until("readings"))["readings"]] == ["d2"]


async def test_who_is_on_the_way_in_does_not_hold_up_the_end() -> None:
    """A connection that has not logged in yet is cut off when the server stops."""
    async with serving(settings(drain_s=1), keeper=keeper()) as server, entering(server) as client:
        await server.realtime.drain()
        frame = await client.raw.receive(10)
        assert frame.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
