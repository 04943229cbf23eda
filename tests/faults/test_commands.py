"""Commands and complaints between a real Mosquitto and a worker of its own, killed in the middle."""

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import paho.mqtt.publish
import pytest
from sqlalchemy import insert

from shared.commands import Answer, Command
from shared.database.engine import open_engine
from shared.database.migrations.upgrade import upgrade
from shared.database.registry import ensure_local_admin
from shared.database.tables import devices
from shared.topics import control_answer_topic, control_topic, data_topic, error_topic
from tests.peers.mosquitto import OPEN, Mosquitto
from tests.peers.mqtt import Client
from tests.peers.waiting import eventually
from tests.peers.worker import Worker

pytestmark = [pytest.mark.peer("mosquitto"), pytest.mark.faults]

LETTERS = 1_000  # the quota of a device
START_NS = time.time_ns() - 3_600 * 10**9


class Site:
    """A broker and a worker that keeps its readings in a file."""

    def __init__(self, folder: Path) -> None:
        self.broker = Mosquitto(folder, OPEN + "max_queued_messages 0\n", persistent=True)
        (folder / "data").mkdir()
        self.worker = Worker(
            folder / "data", TELEMETRIO_MQTT_URL=self.broker.url, TELEMETRIO_UNKNOWN_DEVICES="register"
        )

    def start(self) -> None:
        self.worker.start()
        eventually(lambda: self.worker.dependency("broker") == "ok", 40)

    def publish(self, topic: str, *payloads: bytes) -> None:
        """Return when the broker has acknowledged them."""
        messages: list[Any] = [(topic, payload, 1, False) for payload in payloads]
        paho.mqtt.publish.multiple(messages, "127.0.0.1", self.broker.port)

    def books(self, **wanted: int) -> None:
        """Wait until they say so."""
        eventually(lambda: wanted.items() <= self.worker.get("/books").items(), 30)
        assert self.worker.get("/books")["balanced"]

    def ask(self, file: str, statement: str) -> list[Any]:
        """Of a file of the worker."""
        connection = sqlite3.connect(self.worker.data_dir / file, timeout=10)
        try:
            rows = connection.execute(statement).fetchall()
            connection.commit()
        finally:
            connection.close()
        return rows

    def kill_in_the_middle(self) -> None:
        """As soon as some of the letters have gone, and before (unless it is quicker) all of them have."""
        connection = sqlite3.connect(self.worker.data_dir / "ingest.outbox", timeout=10)
        deadline = time.monotonic() + 20
        while connection.execute("SELECT count(*) FROM dead").fetchone() == (LETTERS,):
            assert time.monotonic() < deadline
        self.worker.kill()
        connection.close()


async def add_device(folder: Path) -> None:
    """A disabled one, known before the worker starts."""
    engine = open_engine(f"sqlite+aiosqlite:///{folder / 'telemetrio.db'}")
    await upgrade(engine)
    async with engine.begin() as connection:
        await ensure_local_admin(connection, START_NS)
        row = {"device_id": "d1", "name": "d1", "user_id": 1, "profile": "open", "created_ns": START_NS}
        await connection.execute(insert(devices), {**row, "disabled": True})
    await engine.dispose()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    running = Site(tmp_path)
    running.broker.start()
    await add_device(tmp_path / "data")
    await asyncio.to_thread(running.start)
    yield running
    await Client.cut_all()
    running.worker.stop()
    running.broker.stop()


def fill(site: Site) -> Command:
    """So many letters of the device while it was disabled, and the command to drive them again."""
    site.publish(data_topic("d1"), *(b'{"a": 1, "ts": %d}' % (START_NS + number) for number in range(LETTERS)))
    site.books(dead_lettered=LETTERS)
    site.worker.stop()
    site.ask("telemetrio.db", "UPDATE devices SET disabled = 0")
    site.start()
    ((epoch,),) = site.ask("ingest.outbox", "SELECT epoch FROM meta")
    return Command(command_id="command-1", action="redrive", epoch=epoch, letters=tuple(range(1, LETTERS + 1)))


async def test_a_worker_killed_in_the_middle_carries_a_command_out_once(site: Site) -> None:
    """Kill -9 when some letters have gone, and the same command again: each is one point, and the books balance."""
    command = (await asyncio.to_thread(fill, site)).model_dump_json().encode()
    listener = await Client.connected(site.broker.port, "api")
    await listener.subscribe(control_answer_topic("ingest"))
    await asyncio.to_thread(site.publish, control_topic("ingest"), command)
    await asyncio.to_thread(site.kill_in_the_middle)
    await asyncio.to_thread(site.start)
    await asyncio.to_thread(site.publish, control_topic("ingest"), command)
    answer = Answer.model_validate_json((await listener.receive(30)).payload)
    assert (answer.done, answer.left) == (LETTERS, ())
    await asyncio.to_thread(site.books, received=LETTERS, stored=LETTERS, dead_lettered=0, redriven=LETTERS, spooled=0)
    await asyncio.to_thread(
        eventually, lambda: site.ask("telemetrio.db", "SELECT count(*) FROM dead_letters") == [(0,)], 10
    )
    await asyncio.to_thread(site.worker.stop)
    stored = site.ask("readings.db", "SELECT ts_ns FROM points ORDER BY ts_ns")
    assert [ts_ns for (ts_ns,) in stored] == [START_NS + number for number in range(LETTERS)]


async def test_a_device_hears_why_and_a_flood_is_told_once_a_second(site: Site) -> None:
    """One bad message is answered; of a thousand, at most one a second is told, and all the others are counted."""
    device = await Client.connected(site.broker.port, "d2")
    await device.subscribe(error_topic("d2"))
    began_s = time.monotonic()
    await asyncio.to_thread(site.publish, data_topic("d2"), b'{"a": 1')
    heard = [orjson.loads((await device.receive(10)).payload)]
    assert (heard[0]["code"], heard[0]["left_out"]) == ("not_json", 0)
    await asyncio.to_thread(site.publish, data_topic("d2"), *[b'{"a": 1'] * 1_000)
    while sum(1 + each["left_out"] for each in heard) < 1_001:
        heard.append(orjson.loads((await device.receive(10)).payload))
    # the first at once, then one for each second that has passed
    assert len(heard) <= 1 + (time.monotonic() - began_s)
    assert sum(1 + each["left_out"] for each in heard) == 1_001
    await device.ping()
