"""A device that goes on talking while a test restarts what is around it."""

import json
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Final, Self

from tests.peers.outside import Device

EVERY_S: Final = 0.1


class Talker:
    """Says 1, 2, 3, … as its temperature, each with a time of its own: what is sent twice is one reading."""

    def __init__(self, device: Device, device_id: str) -> None:
        self._device = device
        self._topic = f"iot/devices/{device_id}/data"
        self._over = threading.Event()
        self._pool = ThreadPoolExecutor(1)
        self._work: Future[None] | None = None
        self.acknowledged = 0

    def __enter__(self) -> Self:
        self._work = self._pool.submit(self._run)
        return self

    def __exit__(self, *_: object) -> None:
        """What was being said is acknowledged when this returns."""
        self._over.set()
        self._pool.shutdown()
        assert self._work is not None
        self._work.result()

    def _run(self) -> None:
        while not self._over.wait(EVERY_S):
            self.say()

    def say(self) -> None:
        """Return when the broker has acknowledged it."""
        reading = {"temperature": self.acknowledged + 1, "timestamp": datetime.now(UTC).isoformat()}
        assert self._device.publish(self._topic, json.dumps(reading).encode()) == 0
        self.acknowledged += 1
