"""The feed against a real Mosquitto, and `telemetrio realtime` as far as it needs nobody else."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiomqtt
import pytest

from services.realtime import feed as feed_module
from services.realtime.__main__ import read_all
from services.realtime.feed import Feed
from services.realtime.watch import watch_dependencies
from shared.broker import Backoff, BrokerSettings
from shared.database.engine import open_engine
from shared.health import Health
from shared.process import Refusal
from shared.readings import Reading, ReadingBatch, encode_announcement, encode_readings
from shared.timeseries.store import Unavailable
from shared.topics import live_topic, registry_topic
from tests.fakes.store import FailingStore
from tests.peers import dynsec
from tests.peers.mosquitto import Mosquitto
from tests.peers.realtime import RealtimeProcess
from tests.peers.waiting import eventually, eventually_async

pytestmark = pytest.mark.peer("mosquitto")
READINGS = [Reading("d1", 1, "m", 1, {"a": 1.0})]
FIRST = ReadingBatch("ingest-1", "e1", 1, 0, 0, 5, READINGS, [], encode_readings(READINGS))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed_module, "Backoff", lambda: Backoff(0.05, 0.2))


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as started:
        yield started


class Listening:
    """A feed and what it heard."""

    def __init__(self, url: str) -> None:
        self.health = Health()
        self.heard: list[ReadingBatch] = []
        self.changes = 0
        broker = BrokerSettings(_env_file=None, mqtt_url=url)
        self.feed = Feed(broker, self.health, self.heard.append, self._changed)

    def _changed(self) -> None:
        self.changes += 1

    async def is_(self, state: str, detail: str = "") -> None:
        async def look() -> bool:
            seen = self.health.snapshot().get("feed")
            return seen is not None and seen.state == state and detail in seen.detail

        await eventually_async(look, 10)

    async def has(self, *batches: ReadingBatch) -> None:
        async def look() -> bool:
            return self.heard == list(batches)

        await eventually_async(look)


@asynccontextmanager
async def listening(url: str) -> AsyncIterator[Listening]:
    made = Listening(url)
    tasks = [asyncio.create_task(made.feed.run()), asyncio.create_task(made.feed.watch())]
    try:
        yield made
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


@pytest.mark.peer("mosquitto_dynsec")
async def test_a_subscription_that_the_broker_refuses_is_said(tmp_path: Path) -> None:
    """With its topic: a feed that hears nothing for want of a right would look like an ingest that says nothing."""
    allow(tmp_path)
    with dynsec.secured(tmp_path) as broker:
        async with listening(dynsec.url(broker)) as feed:
            await feed.is_("down", "refuses the subscription telemetrio/live/+")


@pytest.mark.peer("mosquitto_dynsec")
async def test_readings_go_on_where_only_word_of_changes_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is in the log: what the registry is then asked for from time to time comes up to a minute late."""
    allow(tmp_path, "telemetrio/live/+")
    with dynsec.secured(tmp_path) as broker:
        async with listening(dynsec.url(broker)) as live:
            await live.is_("ok")
            assert live.changes == 1  # asked once: it may have changed while nobody listened
    assert "refuses the subscription telemetrio/registry" in capsys.readouterr().out


def allow(folder: Path, *patterns: str) -> None:
    """Let the one user subscribe to these and to nothing else."""
    acls = [{"acltype": "subscribePattern", "topic": pattern, "allow": True} for pattern in patterns]
    state = {**dynsec.accounts(), "roles": [{"rolename": "service", "acls": acls}]}
    (folder / "dynamic-security.json").write_text(json.dumps(state))


async def say(mosquitto: Mosquitto, topic: str, payload: bytes) -> None:
    async with aiomqtt.Client("127.0.0.1", mosquitto.port) as client:
        await client.publish(topic, payload, qos=1)


async def test_what_ingests_announce_is_heard_and_rubbish_is_counted(mosquitto: Mosquitto) -> None:
    """Every source's, in order; a bad announcement costs itself alone, and a word of the registry is passed on."""
    other = replace(FIRST, source="ingest-2")
    async with listening(mosquitto.url) as live:
        await live.is_("ok")
        for batch in (FIRST, other):
            await say(mosquitto, live_topic(batch.source), encode_announcement(batch))
        await say(mosquitto, live_topic("ingest-1"), b'{"v":9}')
        await say(mosquitto, registry_topic(), b"{}")
        last = replace(FIRST, seq=2, prev=1)
        await say(mosquitto, live_topic("ingest-1"), encode_announcement(last))
        await live.has(FIRST, other, last)
        assert (live.feed.bad, live.feed.announcements) == (1, 3)
        assert live.changes >= 2


async def test_a_broker_that_restarts_is_heard_again(mosquitto: Mosquitto) -> None:
    """Down is said meanwhile; two replicas don't throw each other out."""
    async with listening(mosquitto.url) as live, listening(mosquitto.url) as replica:
        await live.is_("ok")
        await replica.is_("ok")
        mosquitto.kill()
        await live.is_("down")
        assert not live.health.ready
        mosquitto.start()
        await live.is_("ok")
        await replica.is_("ok")
        await say(mosquitto, live_topic("ingest-1"), encode_announcement(FIRST))
        await live.has(FIRST)
        await replica.has(FIRST)


async def test_silence_of_all_ingests_is_said(mosquitto: Mosquitto, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connected and nothing heard is degraded: live is not what it seems."""
    monkeypatch.setattr(feed_module, "_SILENT_S", 0.0)
    async with listening(mosquitto.url) as live:
        await live.is_("degraded")
        assert live.health.ready


def test_it_starts_without_anything_and_gets_well_by_itself(tmp_path: Path) -> None:
    """No broker: alive, not ready, each dependency named; ready once the broker is there, also in its figures."""
    broker = Mosquitto(tmp_path)
    process = RealtimeProcess(tmp_path / "data", "realtime", TELEMETRIO_MQTT_URL=broker.url)
    process.start()
    try:
        eventually(lambda: process.dependency("feed") == "down", 20)
        assert process.get("/readyz")["ready"] is False
        eventually(lambda: process.dependency("store") == process.dependency("database") == "ok", 20)
        with broker:
            eventually(lambda: process.get("/readyz")["ready"], 40)
            assert "telemetrio_ready 1.0" in process.metrics
            assert process.stop() == 0
    finally:
        process.kill()


async def test_a_store_that_is_away_is_said_and_needed_by_nobody(tmp_path: Path) -> None:
    """Live goes on without it."""
    health, engine = Health(), open_engine(f"sqlite+aiosqlite:///{tmp_path / 'no' / 'where.db'}")
    store = FailingStore()
    store.down = Unavailable("away")
    task = asyncio.create_task(watch_dependencies(store, engine, health))

    async def told() -> bool:
        return health.snapshot().keys() == {"store", "database"}

    await eventually_async(told)
    task.cancel()
    await asyncio.wait([task])
    assert (health["store"].state, health["database"].state, health.ready) == ("down", "down", True)
    await engine.dispose()


def test_anything_but_loopback_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without accounts everybody would see everything; the sentence names the setting."""
    monkeypatch.setenv("TELEMETRIO_HOST", "0.0.0.0")
    with pytest.raises(Refusal, match="TELEMETRIO_HOST"):
        read_all()
