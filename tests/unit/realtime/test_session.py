"""How a session lives and ends, over a transport that does what a test wants."""

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
import pytest

from services.realtime.cursor import Cursor, Place
from services.realtime.hub import Hub
from services.realtime.mailbox import Mailbox
from services.realtime.past import Past
from services.realtime.protocol import Subscribe
from services.realtime.recent import Known
from services.realtime.replay import Replay
from services.realtime.selection import UserIds
from services.realtime.session import STUCK_S, Session, Stream
from services.realtime.sessions import Sessions
from shared.readings import Reading, ReadingBatch, Value
from shared.timeseries.store import LateQuery, LateRange, RawPage, RawQuery

EVERYTHING = Subscribe(type="subscribe", id=1, devices="*")


class Wire:
    """A transport whose client listens or not."""

    def __init__(self) -> None:
        self.listening = asyncio.Event()
        self.listening.set()
        self.sent: list[str] = []
        self.sending = 0
        self.closed: tuple[int, str] | None = None
        self.said: asyncio.Queue[str | bytes | Exception | None] = asyncio.Queue()

    async def receive(self) -> str | bytes | None:
        said = await self.said.get()
        if isinstance(said, Exception):
            raise said
        return said

    async def send(self, frame: str) -> None:
        self.sending += 1
        await self.listening.wait()
        self.sent.append(frame)

    async def close(self, code: int, reason: str, /) -> None:
        self.closed = (code, reason)

    async def subscribe(self, **asked: Any) -> None:
        self.said.put_nowait(orjson.dumps({"type": "subscribe", **asked}).decode())
        await settle(200)

    def told(self, kind: str) -> list[dict[str, Any]]:
        """The readings in all messages of this type."""
        told = [orjson.loads(frame) for frame in self.sent]
        return [one for message in told if message["type"] == kind for one in message["readings"]]

    @property
    def types(self) -> list[str]:
        return [orjson.loads(frame)["type"] for frame in self.sent]


async def no_table(_user_ids: UserIds, _devices: frozenset[str] | None) -> Sequence[Known]:
    return ()


class House:
    """A hub and its sessions, with a clock that is set by hand."""

    def __init__(self, replay: Replay | None = None) -> None:
        self.now = 0.0
        self.sessions = Sessions()
        self.hub = Hub(asyncio.get_running_loop().call_later, lambda: self.now, 0)
        past = Past(self.hub, replay, lambda: self.now, lambda: 10**18, 10_000)
        self.stream = Stream(self.hub, no_table, past, lambda: self.now, 20)
        self._seq = 0

    def open(self, wire: Wire, *, user_ids: UserIds = None, limit: int = 10_000) -> asyncio.Task[None]:
        self.session = Session(self.stream, wire, Mailbox(limit, limit), user_ids)
        return asyncio.create_task(self.sessions.serve(self.session))

    def publish(self, *device_ids: str, owner: int = 1, **values: Value) -> None:
        self._seq += 1
        readings = [Reading(device_id, owner, "m", self._seq, values or {"a": 1.0}) for device_id in device_ids]
        self.hub.publish(ReadingBatch("s1", "e1", self._seq, 0, 0, self._seq, readings))


class Shelf:
    """A store in which the readings of these devices are, each of one moment."""

    def __init__(self, ts_ns: int, **values: Value) -> None:
        self._ts_ns, self._values = ts_ns, values

    async def raw(self, query: RawQuery) -> RawPage:
        return RawPage([Reading(query.device_id, 1, "m", self._ts_ns, self._values)], more=False)

    async def late(self, _query: LateQuery) -> Sequence[LateRange]:
        return ()

    async def devices(self, _user_ids: UserIds) -> Sequence[str]:
        return ()


async def settle(turns: int = 20) -> None:
    """Let everything run that can run."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def test_a_client_that_leaves_ends_its_session() -> None:
    """Nothing is closed and nothing is left: no task, no member of any group."""
    house, wire = House(), Wire()
    task = house.open(wire)
    wire.said.put_nowait('{"type":"subscribe","id":1,"devices":"*"}')
    await settle()
    assert wire.types == ["welcome", "subscribed", "snapshot"]
    wire.said.put_nowait(None)
    await task
    assert wire.closed is None
    assert (len(house.sessions), house.hub._groups) == (0, {})


async def test_a_session_of_one_tenant_gets_nothing_of_another() -> None:
    """Neither by "*" nor by name, in snapshots, readings or counts."""
    house, wire = House(), Wire()
    house.publish("theirs", owner=2)
    task = house.open(wire, user_ids=frozenset({1}))
    wire.said.put_nowait('{"type":"subscribe","id":1,"devices":"*"}')
    wire.said.put_nowait('{"type":"subscribe","id":2,"devices":["theirs","nobodys"]}')
    await settle()
    house.publish("theirs", owner=2)
    house.publish("mine")
    await settle()
    assert "mine" in "".join(wire.sent)
    told = [orjson.loads(frame) for frame in wire.sent]
    assert [message["unknown"] for message in told if message["type"] == "subscribed"] == [[], ["nobodys", "theirs"]]
    assert not [one for message in told for one in message.get("readings", ()) if one["device_id"] == "theirs"]
    wire.said.put_nowait(None)
    await task


async def test_a_client_that_takes_nothing_is_cut_off() -> None:
    """After STUCK_S in one send the session is cancelled; a client that is merely quiet is not."""
    house, stuck, quiet = House(), Wire(), Wire()
    stuck.listening.clear()
    cut = house.open(stuck)
    kept = house.open(quiet)
    await settle()
    house.now = STUCK_S + 1
    house.sessions.look_after(house.now)
    with pytest.raises(asyncio.CancelledError):
        await cut
    await settle()
    assert not kept.done()
    assert quiet.types == ["welcome", "heartbeat"]
    quiet.said.put_nowait(None)
    await kept


async def test_a_heartbeat_comes_only_after_silence() -> None:
    """What was sent lately, or waits to be sent, is sign of life enough."""
    house, wire = House(), Wire()
    task = house.open(wire)
    house.session.subscribe(EVERYTHING)
    await settle()
    house.now = 19.0
    house.sessions.look_after(house.now)
    await settle()
    house.now = 25.0
    house.publish("d1")
    house.sessions.look_after(house.now)
    await settle()
    house.now = 44.0
    house.sessions.look_after(house.now)
    await settle()
    assert wire.types == ["welcome", "readings"]
    house.now = 45.0
    house.sessions.look_after(house.now)
    await settle()
    assert wire.types == ["welcome", "readings", "heartbeat"]
    wire.said.put_nowait(None)
    await task


async def test_a_mailbox_that_overflowed_ends_the_session_with_4503() -> None:
    """When even the newest values don't fit, the client is told to come back."""
    house, wire = House(), Wire()
    task = house.open(wire, limit=500)
    house.session.subscribe(EVERYTHING)
    await settle()
    wire.listening.clear()
    for number in range(50):
        house.publish(f"d{number}")
        await settle(2)
    wire.listening.set()
    await task
    assert wire.closed is not None
    assert wire.closed[0] == 4503


async def test_an_error_of_ours_closes_with_1011_and_is_raised() -> None:
    """A fault in one session is loud, and ends that session alone."""
    house, wire, other = House(), Wire(), Wire()
    task = house.open(wire)
    kept = house.open(other)
    await settle()
    wire.said.put_nowait(RuntimeError("broken"))
    with pytest.raises(RuntimeError, match="broken"):
        await task
    assert wire.closed is not None
    assert wire.closed[0] == 1011
    assert not kept.done()
    other.said.put_nowait(None)
    await kept


async def test_answers_wait_for_a_client_that_does_not_read_them() -> None:
    """Ten thousand pings of a client that reads nothing make one pong, not ten thousand."""
    house, wire = House(), Wire()
    task = house.open(wire)
    await settle()
    wire.listening.clear()
    for _ in range(10_000):
        wire.said.put_nowait('{"type":"ping"}')
    await settle()
    assert wire.said.qsize() > 9_990
    assert len(house.session.mailbox) <= 1
    house.session.end(1012, "restart")
    wire.listening.set()
    await task


async def test_draining_ends_all_in_time_whatever_they_do() -> None:
    """Those that listen are closed with 1012, those that do not are cancelled, newcomers end at once."""
    house = House()
    wires = [Wire() for _ in range(20)]
    tasks = [house.open(wire) for wire in wires]
    await settle()
    wires[7].listening.clear()
    house.publish("d1")
    house.session.end(1012, "")
    stuck = Wire()
    stuck.listening.clear()
    tasks.append(house.open(stuck))
    await settle()
    async with asyncio.timeout(5):
        await house.sessions.drain(0.2)
    late = Wire()
    await house.open(late)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(results[-1], asyncio.CancelledError)
    assert [wire.closed and wire.closed[0] for wire in (*wires, late)] == [1012] * 21
    assert len(house.sessions) == 0


async def test_the_quick_way_overtakes_no_send() -> None:
    """Readings go by it once the client was welcomed, and never while a send to the client is still going on."""
    house, wire = House(), Wire()
    quick: list[str] = []

    def express(frame: str) -> bool:
        quick.append(frame)
        return True

    task = house.open(wire)
    house.session.express = express
    house.session.subscribe(EVERYTHING)
    house.publish("before")
    await settle()
    wire.listening.clear()
    wire.said.put_nowait('{"type":"ping"}')
    await settle()
    house.publish("meanwhile")
    await settle()
    assert ["meanwhile" in frame for frame in quick] == [False] * len(quick)
    wire.listening.set()
    await settle()
    house.publish("after")
    await settle()
    assert [orjson.loads(frame)["readings"][0]["device_id"] for frame in quick][-1:] == ["after"]
    assert wire.types[-2:] == ["pong", "readings"]
    wire.said.put_nowait(None)
    await task
    assert house.session.frames == len(quick) + len(wire.sent)


async def test_nobody_stays_longer_than_a_day() -> None:
    """A session of 24 h is closed with 4401, however lively it is; one of less is not."""
    house, old, young = House(), Wire(), Wire()
    first = house.open(old)
    await settle()
    house.sessions.look_after(house.now)
    house.now = 12 * 3600.0
    second = house.open(young)
    await settle()
    house.sessions.look_after(house.now)
    house.now = 24 * 3600.0 + 1
    house.sessions.look_after(house.now)
    await first
    assert old.closed is not None
    assert old.closed[0] == 4401
    assert not second.done()
    assert house.sessions.end_of(lambda guest: guest.user_id == 1) == 1
    await second
    assert young.closed is not None
    assert young.closed[0] == 4401


async def test_what_several_subscriptions_got_from_the_store_is_not_told_again() -> None:
    """Nor what the first one got, once the second has its history: both announcements were still on their way."""
    house, wire = House(Replay(Shelf(2, a=1.0), 100, 5)), Wire()
    house.publish("other")
    house.open(wire)
    for number, device_id in enumerate(("d1", "d2")):
        await wire.subscribe(id=number, devices=[device_id], since="1970-01-01T00:00:00Z")
    assert [one["device_id"] for one in wire.told("history")] == ["d1", "d2"]
    house.publish("d1", "d2")
    await settle()
    assert wire.told("readings") == []


async def test_metrics_that_nobody_had_asked_for_are_news() -> None:
    """The first subscription got one metric from the store; its announcement brings the other one to the second."""
    house, wire = House(Replay(Shelf(2, a=1.0, b=2.0), 100, 5)), Wire()
    house.publish("other")
    house.open(wire)
    await wire.subscribe(id=1, devices=["d1"], metrics=["a"], since="1970-01-01T00:00:00Z")
    await wire.subscribe(id=2, devices=["d1"], metrics=["b"])
    house.publish("d1", a=1.0, b=2.0)
    await settle()
    assert [one["values"] for one in wire.told("readings")] == [{"a": 1.0, "b": 2.0}]


@pytest.mark.parametrize(("back", "live"), [({1, 2}, []), ({1}, ["d1", "d2"]), ({2}, ["d1", "d2"])])
async def test_a_place_ahead_of_this_process_is_that_of_its_own_subscription(back: set[int], live: list[str]) -> None:
    """What one subscription has had from another replica is still owed to one that begins here."""
    house, wire = House(), Wire()
    house.publish("other")
    house.open(wire)
    ahead = Cursor(1, {"s1": Place("e1", 2, 1)}).text
    for number in (1, 2):
        await wire.subscribe(id=number, devices=[f"d{number}"], **({"since": ahead} if number in back else {}))
    house.publish("d1", "d2")
    await settle()
    assert [one["device_id"] for one in wire.told("readings")] == live
    house.publish("d1", "d2")
    await settle()
    assert [one["device_id"] for one in wire.told("readings")] == [*live, "d1", "d2"]


async def test_whoever_ends_one_subscription_has_had_the_rest_all_the_same() -> None:
    """From another replica, ahead of this process: it does not come twice, and nothing of it is kept in the end."""
    house, wire = House(), Wire()
    house.publish("other")
    house.open(wire)
    ahead = Cursor(1, {"s1": Place("e1", 2, 1)}).text
    for number in (1, 2):
        await wire.subscribe(id=number, devices=[f"d{number}"], since=ahead)
    wire.said.put_nowait('{"type":"unsubscribe","id":1}')
    await settle()
    house.publish("d1", "d2")
    await settle()
    assert wire.told("readings") == []
    wire.said.put_nowait('{"type":"unsubscribe","id":2}')
    await settle()
    assert house.hub.had(house.session.mailbox) == {}


async def test_a_send_after_a_long_silence_has_as_long_as_any_other() -> None:
    """A client is stuck since the send began that it does not take, however long nothing was sent before."""
    house, wire = House(), Wire()
    house.open(wire)
    await settle()
    wire.listening.clear()
    house.now = STUCK_S
    wire.said.put_nowait('{"type":"ping"}')
    await settle()
    assert not house.session.stuck(house.now + STUCK_S)
    assert house.session.stuck(house.now + STUCK_S + 1)
