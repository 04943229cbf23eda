"""Ingest between a real Mosquitto and a real InfluxDB: what was acknowledged is stored once, whatever is killed."""

import asyncio
import itertools
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.process import ExitCode
from telemetrio.publisher import Message, Publisher
from tests.peers.influxdb import Influxd
from tests.peers.mosquitto import OPEN, Mosquitto
from tests.peers.waiting import eventually
from tests.peers.worker import Worker

pytestmark = [pytest.mark.peer("mosquitto"), pytest.mark.peer("influxd"), pytest.mark.faults]

DATABASE = "fleet"
# the broker's own limits (20 in flight, 1,000 queued) are left as Debian ships them, but for what the test must lift
QUEUE = "max_queued_messages 0\n"


class Site:
    """A broker, a store, and a worker between them."""

    def __init__(self, folder: Path) -> None:
        self.broker = Mosquitto(folder, OPEN + QUEUE, persistent=True)
        self.influx = Influxd(folder / "influx")
        self.worker = Worker(
            folder / "data",
            TELEMETRIO_MQTT_URL=self.broker.url,
            TELEMETRIO_INFLUXDB_URL=self.influx.url,
            TELEMETRIO_INFLUXDB_BUCKET=DATABASE,
            TELEMETRIO_UNKNOWN_DEVICES="register",
        )

    def start(self) -> None:
        self.broker.start()
        self.influx.start()
        self.influx.query(f"CREATE DATABASE {DATABASE}")
        self.worker.start()
        self.ready()

    def ready(self) -> None:
        eventually(lambda: self.worker.dependency("broker") == "ok", 40)

    def stored(self) -> list[int]:
        """Every timestamp in the store, over all devices."""
        result = self.influx.query("SELECT temperature FROM sensor_data", DATABASE)
        return [row[0] for series in result.get("series", ()) for row in series["values"]]

    def stop(self) -> None:
        self.worker.stop()
        self.influx.stop()
        self.broker.stop()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    running = Site(tmp_path)
    running.start()
    yield running
    running.stop()


_TIMES = itertools.count(time.time_ns() - 3_600 * 10**9, 1_000_003)


async def publish(port: int, count: int) -> set[int]:
    """So many messages, each with a time of its own; returns the times that the broker acknowledged."""
    acknowledged: set[int] = set()

    def took(message: Message, _seconds: float) -> None:
        assert isinstance(message.key, int)
        acknowledged.add(message.key)

    messages = []
    for number in range(count):
        ts_ns = next(_TIMES)
        payload = b'{"temperature": %d.5, "timestamp": %d}' % (number, ts_ns)
        messages.append(Message(b"iot/devices/site-%d/data" % (number % 10), payload, ts_ns))
    loop = asyncio.get_running_loop()
    _, publisher = await loop.create_connection(
        lambda: Publisher("devices", iter(messages), took, 200), "127.0.0.1", port
    )
    await asyncio.wait_for(publisher.done, 60)
    publisher.close()
    return acknowledged


def all_stored_once(site: Site, sent: set[int], within_s: float = 60.0) -> None:
    eventually(lambda: sent <= set(site.stored()), within_s)
    found = site.stored()
    assert len(found) == len(set(found))
    eventually(lambda: site.worker.get("/books")["spooled"] == 0, 20)
    assert site.worker.get("/books")["balanced"]


@pytest.mark.long
async def test_a_worker_killed_under_load_loses_nothing(site: Site) -> None:
    """Kill -9 three times while the broker delivers: its session, and the outbox, keep what was acknowledged."""
    sent: set[int] = set()
    for _ in range(3):
        sending = asyncio.create_task(publish(site.broker.port, 2_000))
        await asyncio.wait({sending}, timeout=0.3)
        await asyncio.to_thread(site.worker.kill)
        sent |= await sending
        await asyncio.to_thread(site.worker.start)
        await asyncio.to_thread(site.ready)
    await asyncio.to_thread(all_stored_once, site, sent)


@pytest.mark.long
async def test_an_outage_of_the_store_costs_nothing(site: Site) -> None:
    """InfluxDB killed, messages go on, InfluxDB comes back: readiness holds, and all of it is stored."""
    sent = await publish(site.broker.port, 1_000)
    await asyncio.to_thread(site.influx.kill)
    sent |= await publish(site.broker.port, 4_000)
    await asyncio.to_thread(eventually, lambda: site.worker.dependency("store") == "down", 20)
    await asyncio.to_thread(eventually, lambda: site.worker.get("/books")["received"] >= len(sent), 30)
    assert site.worker.get("/readyz")["ready"]
    await asyncio.to_thread(site.influx.start)
    await asyncio.to_thread(all_stored_once, site, sent)


async def test_a_broker_that_restarts_is_waited_for(site: Site) -> None:
    """It comes back with its session, and the worker with it; what it acknowledged meanwhile is stored."""
    sent = await publish(site.broker.port, 500)
    await asyncio.to_thread(site.broker.stop)
    await asyncio.to_thread(eventually, lambda: site.worker.dependency("broker") == "down", 20)
    assert not site.worker.get("/readyz")["ready"]
    await asyncio.to_thread(site.broker.start)
    sent |= await publish(site.broker.port, 500)
    await asyncio.to_thread(site.ready)
    await asyncio.to_thread(all_stored_once, site, sent)


@pytest.mark.long
async def test_a_missing_database_is_mended_without_a_restart(site: Site) -> None:
    """An operator's mistake is an outage, loudly told; nothing becomes a dead letter."""
    await asyncio.to_thread(site.influx.query, f"DROP DATABASE {DATABASE}")
    sent = await publish(site.broker.port, 500)
    await asyncio.to_thread(eventually, lambda: site.worker.dependency("store") == "down", 20)
    await asyncio.to_thread(site.influx.query, f"CREATE DATABASE {DATABASE}")
    await asyncio.to_thread(all_stored_once, site, sent)
    assert site.worker.get("/books")["dead_lettered"] == 0


async def test_a_second_worker_of_the_same_name_ends_the_fight(site: Site, tmp_path: Path) -> None:
    """One of the two exits with the code that says so; the other goes on."""
    rival = Worker(
        tmp_path / "rival",
        TELEMETRIO_MQTT_URL=site.broker.url,
        TELEMETRIO_UNKNOWN_DEVICES="register",
    )
    await asyncio.to_thread(rival.start)
    code = await asyncio.to_thread(site.worker.wait, 60)
    assert code == ExitCode.SESSION_TAKEN_OVER
    assert "another ingest is connected" in site.worker.log
    await asyncio.to_thread(eventually, lambda: rival.dependency("broker") == "ok", 40)
    assert rival.stop() == 0


async def test_a_worker_that_retires_leaves_nothing_behind(site: Site) -> None:
    """What waits at the broker is taken and stored, the session ends, and nothing is queued for it any more."""
    await asyncio.to_thread(site.worker.stop)
    sent = await publish(site.broker.port, 500)
    await asyncio.to_thread(site.worker.launch, "--retire")
    assert await asyncio.to_thread(site.worker.wait, 30) == 0
    assert sent <= set(await asyncio.to_thread(site.stored))
    await publish(site.broker.port, 100)
    await asyncio.to_thread(site.worker.start)
    await asyncio.to_thread(site.ready)
    after = await publish(site.broker.port, 10)
    await asyncio.to_thread(eventually, lambda: after <= set(site.stored()), 20)
    assert len(site.stored()) == len(sent) + len(after)


async def test_a_stop_is_orderly(site: Site) -> None:
    """SIGTERM under load: exit 0, and the next start goes on where this one ended."""
    sending = asyncio.create_task(publish(site.broker.port, 3_000))
    await asyncio.wait({sending}, timeout=0.2)
    assert await asyncio.to_thread(site.worker.stop) == 0
    sent = await sending
    await asyncio.to_thread(site.worker.start)
    await asyncio.to_thread(site.ready)
    await asyncio.to_thread(all_stored_once, site, sent)
