"""A change of the registry reaches a running `telemetrio ingest` through a real broker."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import paho.mqtt.publish
import pytest

from shared.topics import registry_topic
from tests.peers.mosquitto import Mosquitto
from tests.peers.waiting import eventually
from tests.peers.worker import Worker

pytestmark = pytest.mark.peer("mosquitto")


class Site:
    """A broker and a worker whose databases are files in its data directory."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.broker = Mosquitto(folder)
        self.worker = Worker(folder / "data", TELEMETRIO_MQTT_URL=self.broker.url, **environment)

    def start(self) -> None:
        self.broker.start()
        self.worker.start()
        eventually(lambda: self.worker.dependency("broker") == "ok", 20)

    def stop(self) -> None:
        self.worker.stop()
        self.broker.stop()

    def say(self, topic: str, payload: bytes = b"") -> None:
        """Returns when the broker has it."""
        paho.mqtt.publish.single(topic, payload, 1, hostname="127.0.0.1", port=self.broker.port)

    def change(self, *statements: str) -> None:
        """In the relational database, as the api would."""
        with closing(sqlite3.connect(self.worker.data_dir / "telemetrio.db")) as database, database:
            for statement in statements:
                database.execute(statement)

    def says_until(self, name: str, above: int = 0, within_s: float = 5.0) -> None:
        """The device goes on until this counter of the books has grown."""

        def grown() -> bool:
            self.say(DATA, b'{"temperature": 1}')
            return bool(self.worker.get("/books")[name] > above)

        eventually(grown, within_s)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    running = Site(tmp_path)
    running.start()
    running.change("INSERT INTO users (name, created_ns) VALUES ('ann', 0)", DEVICE.format("d1"))
    yield running
    running.stop()


DEVICE = (
    "INSERT INTO devices (device_id, name, user_id, profile, disabled, created_ns) "
    "VALUES ('{0}', '{0}', 1, 'environment', 0, 0)"
)
DATA = "iot/devices/d1/data"


def test_a_device_that_is_disabled_is_refused_at_once(site: Site) -> None:
    """A notice is enough: within 2 s its messages are dead letters, long before the registry would be read again."""
    site.say(registry_topic())
    site.says_until("stored", within_s=5)
    site.change("UPDATE devices SET disabled = 1")
    site.say(registry_topic())
    refused = site.worker.get("/books")["dead_lettered"]
    site.says_until("dead_lettered", refused, within_s=2)
    books = site.worker.get("/books")
    assert books["ignored"] == 0
    assert books["balanced"]
