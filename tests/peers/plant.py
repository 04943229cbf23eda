"""A broker, a store and a worker between them, all real, and a network before the store that can be broken."""

import itertools
import sqlite3
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, Self

from tests.peers.background import Background
from tests.peers.fleet import Fleet, Payload, temperature
from tests.peers.influxdb import Influxd
from tests.peers.mosquitto import OPEN, Mosquitto
from tests.peers.storeproxy import Fault, StoreProxy
from tests.peers.waiting import eventually
from tests.peers.worker import Worker

DATABASE = "fleet"
# the broker's own limits (20 in flight, 1,000 queued) are left as Debian ships them, but for what a test must lift
QUEUE = "max_queued_messages 0\n"


class Plant:
    """Started on entering, stopped by pid on leaving. `broker`: lines for Mosquitto; `settings`: the worker's."""

    def __init__(
        self, folder: Path, broker: str = OPEN + QUEUE, *, persistent: bool = False, log: str = "all", **settings: str
    ) -> None:
        self._names = itertools.count()
        self.background = Background()
        self.broker = Mosquitto(folder, broker, persistent=persistent, log=log)
        self.influx = Influxd(folder / "influx")
        self.proxy = StoreProxy(self.influx.port)
        self._folder = folder
        self._stack = ExitStack()
        self._workers: list[Worker] = []
        self.worker = self.another("ingest", **settings)

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.background)
            self.background.run(self.proxy.open())
            stack.callback(lambda: self.background.run(self.proxy.close()))
            stack.enter_context(self.broker)
            stack.callback(self.influx.stop)
            self.influx.start()
            self.influx.query(f"CREATE DATABASE {DATABASE}")
            stack.callback(lambda: [worker.stop() for worker in self._workers])
            self.worker.start()
            self.ready()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def another(self, source: str, **settings: str) -> Worker:
        """A worker of this plant, yet to be started; what still runs of it at the end is stopped."""
        given = {
            "TELEMETRIO_SOURCE": source,
            "TELEMETRIO_MQTT_URL": self.broker.url,
            "TELEMETRIO_INFLUXDB_URL": self.proxy.url,
            "TELEMETRIO_INFLUXDB_BUCKET": DATABASE,
            "TELEMETRIO_UNKNOWN_DEVICES": "register",
        }
        self._workers.append(Worker(self._folder / source, **{**given, **settings}))
        return self._workers[-1]

    def ready(self) -> None:
        eventually(lambda: self.worker.dependency("broker") == "ok", 40)

    def fleet(self, payload: Payload = temperature, devices: int = 10, ago_s: int = 3_600) -> Fleet:
        """Devices that no other test of this plant has."""
        return Fleet(self.broker.port, f"fleet{next(self._names)}", payload, devices, ago_s)

    def publish(self, fleet: Fleet, count: int, rate: float = 0.0) -> None:
        self.background.run(fleet.publish(count, rate), within_s=120 + (count / rate if rate else 0))

    def publishing(self, fleet: Fleet, count: int, rate: float = 0.0) -> Future[None]:
        """The same meanwhile."""
        return self.background.start(fleet.publish(count, rate))

    def break_store(self, fault: Fault) -> None:
        self.proxy.fault = fault

    def mend_store(self) -> None:
        self.background.run(self.proxy.mend())

    def books(self) -> dict[str, Any]:
        """They balance whenever one looks."""
        books: dict[str, Any] = self.worker.get("/books")
        assert books["balanced"], books
        return books

    def count(self, fleet: Fleet) -> int:
        """How many points of these devices the store has."""
        series = self._select("count(temperature)", fleet)
        return int(series[0]["values"][0][1]) if series else 0

    def times(self, fleet: Fleet) -> list[int]:
        """The time of each of them."""
        return [row[0] for each in self._select("temperature", fleet) for row in each["values"]]

    def _select(self, what: str, fleet: Fleet) -> list[Any]:
        statement = f"SELECT {what} FROM sensor_data WHERE device_id =~ /^{fleet.name}-/"  # noqa: S608 - our own words
        series: list[Any] = self.influx.query(statement, DATABASE).get("series", [])
        return series

    def stored_once(self, fleet: Fleet, but: Iterable[int] = (), within_s: float = 60.0) -> None:
        """Everything that the broker acknowledged is in the store once; `but` these, which are dead letters."""
        wanted = fleet.acknowledged - set(but)
        eventually(lambda: self.count(fleet) >= len(wanted), within_s)
        eventually(lambda: self.books()["spooled"] == 0, 20)
        found = self.times(fleet)
        assert len(found) == len(set(found))
        assert set(found) == wanted
        self.recount()

    def recount(self) -> None:
        """The books agree with the rows that they speak of."""
        sums = "(SELECT total(entries) FROM spool), (SELECT total(entries) FROM dead)"
        (row,) = self._ask_outbox(f"SELECT spooled, dead_lettered, {sums} FROM books")  # noqa: S608 - our own words
        assert row[:2] == row[2:], row

    def letters(self, fleet: Fleet) -> list[tuple[str, str, int, bytes]]:
        """(kind, code, entries, payload) of every dead letter of these devices."""
        return self._ask_outbox(
            "SELECT kind, code, entries, payload FROM dead WHERE device_id LIKE ?", f"{fleet.name}-%"
        )

    def _ask_outbox(self, question: str, *bound: str) -> list[Any]:
        """Of the worker's own file, while it runs: one statement sees one moment."""
        file = self.worker.data_dir / f"{self.worker.data_dir.name}.outbox"
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
            return connection.execute(question, bound).fetchall()
