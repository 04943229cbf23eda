"""A real Mosquitto and a `telemetrio ingest` behind it, whose store is a file in its data directory."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any, Self

import paho.mqtt.publish

from tests.peers.mosquitto import Mosquitto
from tests.peers.waiting import eventually
from tests.peers.worker import Worker


class Site:
    """`environment`: settings of the worker, beside where its broker is."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.broker = Mosquitto(folder)
        self.worker = Worker(folder / "data", TELEMETRIO_MQTT_URL=self.broker.url, **environment)

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        self.broker.start()
        self.worker.start()
        self.ready()

    def ready(self) -> None:
        eventually(lambda: self.worker.dependency("broker") == "ok", 20)

    def stop(self) -> None:
        self.worker.stop()
        self.broker.stop()

    def say(self, topic: str, *payloads: bytes) -> None:
        """QoS 1, one after the other; returns when the broker has them all."""
        messages: list[Any] = [(topic, payload, 1, False) for payload in payloads or (b"",)]
        paho.mqtt.publish.multiple(messages, hostname="127.0.0.1", port=self.broker.port)

    def says_until(self, topic: str, payload: bytes, name: str, above: int = 0, within_s: float = 5.0) -> None:
        """A device goes on until this counter of the books has grown."""

        def grown() -> bool:
            self.say(topic, payload)
            return self.book(name) > above

        eventually(grown, within_s)

    def book(self, name: str) -> int:
        """One counter of the worker's books."""
        return int(self.worker.get("/books")[name])

    def books(self, within_s: float = 20.0, **wanted: int) -> None:
        """Wait until they say so; they must balance then."""
        eventually(lambda: all(self.book(name) == value for name, value in wanted.items()), within_s)
        assert self.worker.get("/books")["balanced"]

    def change(self, *statements: str) -> None:
        """In the relational database, as the api would; where it is a file, too."""
        with closing(sqlite3.connect(self.worker.data_dir / "telemetrio.db")) as database, database:
            for statement in statements:
                database.execute(statement)

    def stored(self) -> list[tuple[str, str, int]]:
        """(device_id, measurement, ts_ns) of every reading in the store, oldest first."""
        question = "SELECT DISTINCT device_id, measurement, ts_ns FROM points JOIN series ON id = series ORDER BY ts_ns"
        with closing(sqlite3.connect(self.worker.data_dir / "readings.db")) as store:
            return [tuple(row) for row in store.execute(question)]
