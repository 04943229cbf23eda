"""Everything of a soak: broker, store, database and the three services, each a process, and what breaks each."""

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final, Self

from tests.peers.api import ApiProcess
from tests.peers.mosquitto import OPEN
from tests.peers.plant import DATABASE, QUEUE, Plant
from tests.peers.postgres import made
from tests.peers.realtime import RealtimeProcess
from tests.peers.storeproxy import ANSWER_LOST, BLACK_HOLE, RESET, Fault, answering
from tests.peers.waiting import eventually

Act = Callable[[], object]


class Servers:
    """Started on entering, stopped by pid on leaving."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.cluster = made()
            stack.callback(self.cluster.remove)
            self.cluster.start()
            # stopped in order it writes down what it holds; after each change, at this rate, it would do nothing else
            kept = f"persistence true\npersistence_location {self._folder}/\n"
            plant = Plant(self._folder, OPEN + QUEUE + kept, log="error", TELEMETRIO_DATABASE_URL=self.cluster.url)
            self.plant = stack.enter_context(plant)
            shared = {
                "TELEMETRIO_DATABASE_URL": self.cluster.url,
                "TELEMETRIO_MQTT_URL": self.plant.broker.url,
                "TELEMETRIO_INFLUXDB_URL": self.plant.influx.url,
                "TELEMETRIO_INFLUXDB_BUCKET": DATABASE,
            }
            self.api = stack.enter_context(ApiProcess(self._folder / "api", **shared))
            self.realtime = RealtimeProcess(self._folder / "realtime", "realtime", **shared)
            stack.callback(self.realtime.stop)
            self.realtime.start()
            eventually(lambda: self.realtime.dependency("feed") == "ok", 20)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def acts(self, fault: str) -> tuple[Act, Act]:
        """What breaks it, and what mends it."""
        breaks, mends = KNOWN[fault]
        return partial(breaks, self), partial(mends, self)


Deed = Callable[[Servers], object]


def _broken(how: Fault) -> tuple[Deed, Deed]:
    return (lambda servers: servers.plant.break_store(how)), (lambda servers: servers.plant.mend_store())


KNOWN: Final[dict[str, tuple[Deed, Deed]]] = {
    "ingest killed": (lambda s: s.plant.worker.kill(), lambda s: s.plant.worker.start()),
    "ingest stopped": (lambda s: s.plant.worker.stop(), lambda s: s.plant.worker.start()),
    "store killed": (lambda s: s.plant.influx.kill(), lambda s: s.plant.influx.start()),
    "store resets connections": _broken(RESET),
    "store swallows": _broken(BLACK_HOLE),
    "store answers 503": _broken(answering(503)),
    "store answers 429": _broken(answering(429, headers={"Retry-After": "2"})),
    "store loses its answers": _broken(ANSWER_LOST),
    "broker restarted": (lambda s: s.plant.broker.stop(), lambda s: s.plant.broker.start()),
    "database stopped": (lambda s: s.cluster.stop(), lambda s: s.cluster.start()),
    "realtime killed": (lambda s: s.realtime.kill(), lambda s: s.realtime.start()),
    "api killed": (lambda s: s.api.kill(), lambda s: s.api.start()),
}
