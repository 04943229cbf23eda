"""Live streams with `auth = required`, through a real Hypercorn and a real database: tickets, and whose they are."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from sqlalchemy import delete, insert, update
from sqlalchemy.ext.asyncio import AsyncEngine

from services.realtime.admission import Guest, Offer
from services.realtime.app import Realtime
from services.realtime.errors import Crowded, Denied, ReviewUnavailable
from services.realtime.keeper import TicketKeeper
from services.realtime.settings import RealtimeSettings
from services.realtime.transport import CloseCode
from shared.database.engine import open_engine
from shared.database.tables import api_keys, sessions, users
from shared.tickets import Holder, issue
from tests.integration.realtime_server import (
    DEADLINE_S,
    Client,
    Server,
    no_table,
    reading,
    serving,
    settings,
    streaming,
)
from tests.integration.test_realtime_socketio import SeedClient
from tests.peers.tables import file_with_tables
from tests.peers.waiting import eventually_async

SECRET = "a secret of this test, long enough to be one"  # noqa: S105


def required(**given: Any) -> RealtimeSettings:
    return settings(auth="required", secret_key=SECRET, **given)


def ticket(
    user_id: int = 7, *, everybody: bool = False, secret: str = SECRET, age_s: float = 0, purpose: Any = "ws"
) -> str:
    return issue(secret, purpose, Holder(user_id, everybody), time.time() - age_s)


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    """With the administrator 1, and the users 7 and 8."""
    opened = open_engine(file_with_tables(tmp_path / "telemetrio.db"))
    async with opened.begin() as connection:
        rows = [{"id": number, "name": f"user {number}", "created_ns": 1} for number in (1, 7, 8)]
        await connection.execute(insert(users), rows)
        await connection.execute(update(users).where(users.c.id == 1).values(role="admin"))
    yield opened
    await opened.dispose()


@asynccontextmanager
async def guarded(engine: AsyncEngine) -> AsyncIterator[Server]:
    async with serving(required(), keeper=TicketKeeper(SECRET, engine)) as server:
        yield server


async def change(engine: AsyncEngine, user_id: int, **values: Any) -> None:
    async with engine.begin() as connection:
        await connection.execute(update(users).where(users.c.id == user_id).values(**values))


async def test_a_ticket_opens_one_websocket_with_its_users_readings(engine: AsyncEngine) -> None:
    """Those of everybody for an administrator; a second time it opens nothing."""
    shown = [ticket(), ticket(1, everybody=True)]
    async with guarded(engine) as server, aiohttp.ClientSession() as session:
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
            frame = await raw.receive(DEADLINE_S)
            assert (frame.type, frame.data) == (aiohttp.WSMsgType.CLOSE, 4401)


@pytest.mark.parametrize(
    "query",
    [
        "?ticket=",
        "?ticket=nonsense",
        f"?ticket={ticket(secret='x' * 40)}",
        f"?ticket={ticket(age_s=60)}",
        f"?ticket={issue(SECRET, 'sse', Holder(7, everybody=True), time.time())}",
        f"?ticket={ticket()}&ticket={ticket()}",
        f"?ticket={'x' * 9_000}",
    ],
)
async def test_without_a_good_ticket_there_is_no_websocket(engine: AsyncEngine, query: str) -> None:
    """4401, the mend as its reason, and not one reading; the same for what was no ticket for this."""
    async with guarded(engine) as server, aiohttp.ClientSession() as session:
        async with session.ws_connect(f"{server.http}/ws{query}") as raw:
            closed = await raw.receive(DEADLINE_S)
            assert (closed.type, closed.data) == (aiohttp.WSMsgType.CLOSE, 4401)
            assert "/api/v1/live/ticket" in str(closed.extra)
        assert len(server.realtime.sessions) == 0


@pytest.mark.parametrize("transports", [["polling"], ["websocket"]])
async def test_socketio_takes_a_ticket(engine: AsyncEngine, transports: list[str]) -> None:
    """In `auth`; the page gets its user's readings and nobody else's."""
    async with guarded(engine) as server:
        page = SeedClient()
        await page.client.connect(server.http, transports=transports, auth={"ticket": ticket()})

        async def there() -> bool:
            return len(server.realtime.sessions) == 1

        await eventually_async(there)
        server.publish(reading("his", 1, owner=8), reading("hers", 1, owner=7))
        assert (await page.next())["device_id"] == "hers"
        await page.client.disconnect()


@pytest.mark.parametrize("auth", [None, {"ticket": "nonsense"}, {"ticket": 5}, "ticket"])
async def test_socketio_without_a_ticket(engine: AsyncEngine, auth: object) -> None:
    """Sent away at once, with no session left behind."""
    async with guarded(engine) as server:
        page = SeedClient()
        await page.client.connect(server.http, transports=["websocket"], auth=auth, wait=False)
        await asyncio.wait_for(page.gone.wait(), DEADLINE_S)
        server.publish(reading("hers", 1, owner=7))
        assert len(server.realtime.sessions) == 0
        assert page.events.empty()
        await page.client.disconnect()


async def test_a_stream_comes_back_with_its_ticket(engine: AsyncEngine) -> None:
    """A browser can't ask for another: that of `/sse` opens it again, and opens no WebSocket."""
    shown = ticket(purpose="sse")
    async with guarded(engine) as server:
        for number in (1, 2):
            async with streaming(server, f"?ticket={shown}") as events:
                assert (await events.next())["type"] == "welcome"
                await events.until("snapshot")
                server.publish(reading("his", number, owner=8), reading("hers", number, owner=7))
                assert [one["device_id"] for one in (await events.until("readings"))["readings"]] == ["hers"]
        async with streaming(server, f"?ticket={ticket()}") as refused:
            assert refused.answer.status == 401


@pytest.mark.parametrize("gone", [{"disabled": True}, None])
async def test_a_user_who_is_disabled_or_deleted_sees_nothing_any_more(
    engine: AsyncEngine, gone: dict[str, Any] | None
) -> None:
    """Open streams end at once with 4401, a ticket from before opens none, and others are not concerned."""
    later, again = ticket(), ticket(purpose="sse")
    async with guarded(engine) as server, aiohttp.ClientSession() as session:
        async with (
            session.ws_connect(f"{server.http}/ws?ticket={ticket()}") as hers,
            session.ws_connect(f"{server.http}/ws?ticket={ticket(8)}") as his,
            streaming(server, f"?ticket={again}") as events,
        ):
            await Client(hers).subscribe()
            await Client(his).subscribe()
            await events.until("snapshot")
            if gone is not None:
                await change(engine, 7, **gone)
            else:
                async with engine.begin() as connection:
                    await connection.execute(delete(users).where(users.c.id == 7))
            server.realtime.review_soon()
            assert await Client(hers).closed() == CloseCode.UNKNOWN
            assert (await events.next())["close"]["code"] == 4401
            server.publish(reading("his", 1, owner=8))
            assert (await Client(his).until("readings"))["readings"][0]["device_id"] == "his"
        async with session.ws_connect(f"{server.http}/ws?ticket={later}") as raw:
            assert await Client(raw).closed() == 4401
        async with streaming(server, f"?ticket={again}") as refused:
            assert refused.answer.status == 401


async def test_a_guest_lasts_as_long_as_the_login_or_key_it_came_by(engine: AsyncEngine) -> None:
    """Revoked or over, it sees nothing any more; another login of the same user goes on, and so does one by neither."""
    now_ns = time.time_ns()
    ours, over, later = {"user_id": 7, "created_ns": 1}, now_ns - 1, now_ns + 10**15
    login = {**ours, "generation": 0, "rotated_ns": 1}
    key = {**ours, "name": "k", "hint": "h", "scopes": "live"}
    async with engine.begin() as connection:
        for name, expires_ns, revoked_ns in (("good", later, None), ("over", over, None), ("gone", later, 1)):
            row = {"id": name, "expires_ns": expires_ns, "revoked_ns": revoked_ns}
            await connection.execute(insert(sessions), {**login, **row})
        for number, times in enumerate([(None, None), (later, None), (over, None), (None, 1)], 1):
            ends = dict(zip(("expires_ns", "revoked_ns"), times, strict=True))
            await connection.execute(insert(api_keys), {**key, **ends, "id": number, "hash": str(number)})
    plain = Guest(7, frozenset({7}))
    stay = [plain, plain._replace(login="good"), plain._replace(key_id=1), plain._replace(key_id=2)]
    go = [plain._replace(login=login) for login in ("over", "gone", "never")]
    go += [plain._replace(key_id=number) for number in (3, 4, 5)]
    seen = await TicketKeeper(SECRET, engine).review([*stay, *go])
    assert seen == {**{guest: guest for guest in stay}, **dict.fromkeys(go)}
    for holder in (Holder(7, session="gone"), Holder(7, key=4)):
        with pytest.raises(Denied):
            await TicketKeeper(SECRET, engine).admit(Offer("ticket", issue(SECRET, "ws", holder, time.time()), "ws"))


async def test_an_administrator_no_more_sees_what_is_theirs(engine: AsyncEngine) -> None:
    """From the review on, without a new ticket; and whose ticket shows less never sees more by it."""
    async with guarded(engine) as server, aiohttp.ClientSession() as session:
        shown = ticket(1, everybody=True)
        async with session.ws_connect(f"{server.http}/ws?ticket={shown}") as raw:
            client = Client(raw)
            await client.subscribe()
            await change(engine, 1, role="user")
            server.realtime.review_soon()
            entrance = server.realtime.entrance
            assert await entrance.keeper.review([Guest(1, None)]) == {Guest(1, None): Guest(1, frozenset({1}))}

            async def narrowed() -> bool:
                return server.realtime.sessions.guests == {Guest(1, frozenset({1}))}

            await eventually_async(narrowed)
            server.publish(reading("hers", 1, owner=7), reading("own", 1, owner=1))
            assert [one["device_id"] for one in (await client.until("readings"))["readings"]] == ["own"]
            await change(engine, 1, role="admin")
            seen = Guest(1, frozenset({1}))
            assert await entrance.keeper.review([seen]) == {seen: seen}


async def test_while_the_accounts_are_away_nobody_comes_in(tmp_path: Path) -> None:
    """And nobody is thrown out: a newcomer is told to come back, and its ticket is as good as before."""
    empty = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'empty.db'}")
    away = TicketKeeper(SECRET, empty)
    shown = ticket()
    for _ in range(2):
        with pytest.raises(Crowded):
            await away.admit(Offer("ticket", shown, "ws"))
    with pytest.raises(ReviewUnavailable):
        await away.review([Guest(7, frozenset({7}))])
    async with serving(required(), keeper=away) as server, aiohttp.ClientSession() as session:
        async with session.ws_connect(f"{server.http}/ws?ticket={ticket()}") as raw:
            assert await Client(raw).closed() == 1013
        async with streaming(server, f"?ticket={ticket(purpose='sse')}") as events:
            assert (await events.next())["close"]["code"] == 1013
    await empty.dispose()


async def test_without_a_secret_nobody_is_let_in(engine: AsyncEngine) -> None:
    """An empty one could be guessed by anybody."""
    with pytest.raises(Denied):
        await TicketKeeper("", engine).admit(Offer("ticket", ticket(secret=""), "ws"))


async def test_who_must_log_in_is_asked() -> None:
    """Realtime does not start with `auth = required` and an open door."""
    with pytest.raises(ValueError, match="log in"):
        Realtime(required(), no_table)
