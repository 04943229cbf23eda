"""Everything that a client may see reaches it once, whatever breaks: the whole service, in simulated time."""

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

import orjson
import pytest

from services.realtime.admission import Guest
from services.realtime.app import Realtime
from services.realtime.cursor import parse_cursor
from services.realtime.recent import Known
from services.realtime.resume import Plan
from services.realtime.selection import UserIds
from services.realtime.session import Session
from services.realtime.settings import RealtimeSettings
from shared.readings import ReadingBatch
from tests.fakes.fleet import MAX_AHEAD_S, NOON, SECOND, Archive, Device, Feed, Ingest, Truth, Unit
from tests.fakes.simulatedtime import lapse, run_simulated

LASTS_S: Final = 900.0


class Wire:
    """One connection: what the server sends is read when the client pleases."""

    def __init__(self) -> None:
        self.frames: asyncio.Queue[str] = asyncio.Queue(1)
        self._said: asyncio.Queue[str | None] = asyncio.Queue()

    async def receive(self) -> str | None:
        return await self._said.get()

    async def send(self, frame: str) -> None:
        await self.frames.put(frame)

    async def close(self, _code: int, _reason: str, /) -> None:
        return

    def express(self, frame: str) -> bool:
        """The quick way, as far as there is room."""
        if self.frames.full():
            return False
        self.frames.put_nowait(frame)
        return True

    def say(self, **message: Any) -> None:
        self._said.put_nowait(orjson.dumps(message).decode())

    def leave(self) -> None:
        self._said.put_nowait(None)


class World:
    """Three ingests, eight devices of two owners, one realtime that is restarted now and then."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.archive = Archive(self.rng)
        self.realtime: Realtime | None = None
        self.tasks: set[asyncio.Task[None]] = set()
        self.plans: dict[object, Plan] = {}
        self.over = False
        late = [0.05] * 8
        ahead_s = [0.0, 0.4, -20.0, 30.0, 200.0, MAX_AHEAD_S, -70.0, -3_600.0]
        self.devices = [Device(f"d{n}", 1 + n % 2, ahead_s[n], late[n]) for n in range(8)]
        self.feeds = [Feed(self.rng, self.deliver, 0.0003) for _ in range(3)]
        self.ingests = [
            Ingest(f"i{n}-{seed}", self.devices[n::3], self.archive, feed, (0.0, 25.0, -25.0)[n])
            for n, feed in enumerate(self.feeds)
        ]

    @property
    def truths(self) -> list[Truth]:
        return [truth for ingest in self.ingests for truth in ingest.truths]

    def deliver(self, batch: ReadingBatch) -> None:
        if self.realtime is not None:
            self.realtime.publish(batch)

    async def table(self, user_ids: UserIds, _device_ids: frozenset[str] | None) -> Sequence[Known]:
        await lapse(self.rng.uniform(0, 0.1))
        return [Known(one.device_id, one.owner, None) for one in self.devices if not user_ids or one.owner in user_ids]

    def start(self) -> asyncio.Task[None]:
        """A realtime that knows nothing of what was before it."""
        loop = asyncio.get_running_loop()
        given = RealtimeSettings(_env_file=None, mailbox_kib=16, max_replay_points=10**6, replay_timeout_s=5)
        realtime = Realtime(given, self.table, None, self.archive, lambda: NOON + int(loop.time() * SECOND))
        hub, resume, move = realtime._hub, realtime._hub.resume, realtime._hub.move
        made: list[Plan] = []

        def resumed(cursor: Any) -> Plan:
            made.append(resume(cursor))
            return made[-1]

        def moved(member: Any, old: Any, new: Any, had: Any = None) -> None:
            if had is not None:  # in the turn in which it was planned
                self.plans[member] = made.pop()
            move(member, old, new, had)

        # which way a resume went is nobody's business but a test's
        hub.resume, hub.move = resumed, moved  # type: ignore[method-assign]
        self.realtime = realtime
        return asyncio.create_task(realtime.run())

    async def restart(self, running: asyncio.Task[None], seconds: float) -> asyncio.Task[None]:
        self.realtime = None
        for task in {running, *self.tasks}:
            task.cancel()
        await lapse(seconds)
        return self.start()

    def connect(self, wire: Wire, user_ids: UserIds) -> tuple[Session, asyncio.Task[None]] | None:
        if self.realtime is None:
            return None
        session = self.realtime._open_sse(wire, Guest(1, user_ids))
        session.express = wire.express
        task = asyncio.create_task(self.realtime.sessions.serve(session))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return session, task

    async def break_things(self) -> None:
        running = self.start()
        while asyncio.get_running_loop().time() < LASTS_S:
            await lapse(self.rng.expovariate(1 / 15))
            fault = self.rng.randrange(7)
            if fault < 2:
                self.archive.away = True
                await lapse(self.rng.choice([5, 30, 150]))
                self.archive.away = False
            elif fault < 4:
                feed = self.rng.choice(self.feeds)
                feed.cut = True
                await lapse(self.rng.choice([3, 20, 100]))
                feed.cut = False
            elif fault < 6:
                await self.rng.choice(self.ingests).restart(self.rng.uniform(1, 10))
            else:
                running = await self.restart(running, self.rng.uniform(0.1, 5))
        for feed in self.feeds:
            feed._lost = 0.0
        self.over = True


class Client:
    """Keeps what it got, and the place it belongs to; what it got behind a gap it forgets when it comes back for it."""

    def __init__(self, world: World, name: str, user_ids: UserIds, device_ids: list[str] | None) -> None:
        self.rng = random.Random(name)
        self.joined_s: float | None = None
        self.cursor: str | None = None
        self.gap: tuple[str, int] | None = None
        self.got: list[tuple[Unit, str, int]] = []
        self.visits = 0
        self.reasons: Counter[str] = Counter()
        self.ways: Counter[str] = Counter()
        self._world = world
        self._user_ids = user_ids
        self._device_ids = device_ids

    def sees(self, truth: Truth) -> bool:
        named = self._device_ids is None or truth.unit[0] in self._device_ids
        return named and (self._user_ids is None or truth.owner in self._user_ids)

    async def live(self) -> None:
        """Come and go until things are in order; then come until there is nothing left to come for."""
        while not self._world.over:
            pause_s = 20.0 if self.rng.random() < 0.3 else 0.0
            await self.visit(self.rng.choice([0.3, 3, 10, 30, 60]), pause_s)
            await lapse(self.rng.choice([0.01, 1, 5, 20, 60, 130, 600]))
        for _ in range(20):
            await lapse(30)
            await self.visit(25, 0)
            if self.gap is None:
                return
        raise AssertionError(f"gaps for ever: {self.gap}")

    async def visit(self, seconds: float, pause_s: float) -> None:
        if self.gap is not None:
            self.cursor, length = self.gap
            del self.got[length:]
            self.gap = None
        wire = Wire()
        connection = self._world.connect(wire, self._user_ids)
        if connection is None:
            return
        session, task = connection
        self.visits += 1
        since, length, self._caught_up = self.cursor, len(self.got), self.cursor is None
        if since is None:
            self.got.clear()
            wire.say(type="subscribe", id=1, devices=self._device_ids or "*")
        else:
            wire.say(type="subscribe", id=1, devices=self._device_ids or "*", since=since)
        deadline = asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout_at(deadline):
                while not task.done():
                    self._read(await self._frame(wire, task), session, length)
                    await lapse(pause_s)
        except TimeoutError:
            wire.leave()
        task.cancel()
        await asyncio.wait([task])
        if not self._caught_up:  # as if it had never come
            self.cursor, self.gap = since, None
            del self.got[length:]
        elif self.gap is None and self.cursor is not None:
            self._hold_to_its_word(self.cursor, len(self.got))

    def _hold_to_its_word(self, cursor: str, length: int) -> None:
        """Whatever a cursor says was heard, and was committed since this client came, is here."""
        assert self.joined_s is not None
        had = {unit for unit, _, _ in self.got[:length]}
        pos = parse_cursor(cursor, 2**62).pos
        for ingest in self._world.ingests:
            if (place := pos.get(ingest.name)) is not None:
                until = ingest.epochs.index(place.epoch), place.seq
                owed = (one for one in ingest.truths if one.place <= until and one.true_s > self.joined_s)
                missed = [one for one in owed if self.sees(one) and one.unit not in had]
                assert missed == [], (len(missed), missed[:3])

    async def _frame(self, wire: Wire, task: asyncio.Task[None]) -> str:
        frame = asyncio.create_task(wire.frames.get())
        try:
            await asyncio.wait([frame, task], return_when=asyncio.FIRST_COMPLETED)
            return frame.result() if frame.done() else '{"type":"pong"}'
        finally:
            frame.cancel()

    def _read(self, frame: str, session: Session, length: int) -> None:
        message = orjson.loads(frame)
        match message["type"]:
            case "subscribed" if self.cursor is None:
                self.joined_s = asyncio.get_running_loop().time()
            case "history":
                plan = self._world.plans[session.mailbox]
                self._take(message["readings"], "ring" if plan.look_from_ns is None else "store")
            case "caught_up":
                self._caught_up = True
                self.cursor = message["cursor"]
                plan = self._world.plans[session.mailbox]
                self.ways["ring" if plan.look_from_ns is None else "store"] += 1
            case "readings":
                assert self._caught_up
                self._take(message["readings"], "live")
                self.cursor = message["cursor"]
            case "heartbeat":
                self.cursor = message["cursor"]
            case "gap":
                self.reasons[message["reason"]] += 1
                before = length if message["reason"] == "not_stored_yet" else len(self.got)
                if self.gap is None:
                    self.gap = message["since"], before
                    self._hold_to_its_word(message["since"], before)
            case "error":
                assert message["code"] == "history_unavailable", message

    def _take(self, readings: list[dict[str, Any]], way: str) -> None:
        for one in readings:
            device_id, moment = one["device_id"], one["timestamp"]
            self.got += [((device_id, moment, metric), way, self.visits) for metric in one["values"]]

    def check(self) -> None:
        """Nothing missed; nothing twice, but for what the store repeats of the time just before the cursor."""
        assert self.joined_s is not None
        seen: dict[Unit, int] = {}
        for unit, way, visit in self.got:
            again = unit in seen
            assert not again or (way == "store" and seen[unit] < visit), (unit, way, visit, seen[unit])
            seen[unit] = visit
        visible = [truth for truth in self._world.truths if self.sees(truth)]
        assert seen.keys() <= {truth.unit for truth in visible}
        missed = [truth for truth in visible if truth.true_s > self.joined_s and truth.unit not in seen]
        assert missed == [], (len(missed), missed[:5])


async def lived(seed: int) -> list[Client]:
    world = World(seed)
    failures: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
    everyone: list[tuple[UserIds, list[str] | None]] = [
        (None, None),
        (frozenset({1}), None),
        (frozenset({2}), ["d1", "d3", "d7", "d0"]),
        (None, ["d5", "d6"]),
        (frozenset({1, 2}), None),
    ]
    clients = [Client(world, f"{seed}-{n}", *who) for n, who in enumerate((*everyone, everyone[0]))]
    ingests = [asyncio.create_task(ingest.run(lambda: world.over)) for ingest in world.ingests]
    breaking = asyncio.create_task(world.break_things())
    living = [asyncio.create_task(client.live()) for client in clients]
    try:
        await asyncio.gather(breaking, *living)
    finally:
        for task in (*ingests, *living, breaking):
            task.cancel()
    assert failures == []
    return clients


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(1, 20))])
def test_every_reading_reaches_every_client_that_may_see_it_once(seed: int) -> None:
    """Skewed clocks, late readings, outages, lost announcements and restarts cost a gap at most, and that is filled."""
    clients = run_simulated(lived(seed))
    for client in clients:
        client.check()
    ways = sum((client.ways for client in clients), Counter())
    reasons = sum((client.reasons for client in clients), Counter())
    assert ways.keys() == {"ring", "store"}
    assert reasons.keys() >= {"feed", "not_stored_yet"}
