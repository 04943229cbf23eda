"""`telemetrio realtime` as operators run it, and a client that keeps what it gets as docs/protocol.md tells it to."""

import os
import subprocess
import sys
import urllib.request
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from tests.peers.mosquitto import free_port
from tests.peers.worker import Worker

_WITHIN_S = 30.0


class RealtimeProcess(Worker):
    """Started, killed and stopped by its pid; the port stays the same. `data_dir`: where it finds the database."""

    def __init__(self, data_dir: Path, name: str, **environment: str) -> None:
        super().__init__(data_dir, **environment)
        self._environment["TELEMETRIO_PORT"] = self._environment.pop("TELEMETRIO_HEALTH_PORT")
        self._metrics_port = free_port()
        self._environment["TELEMETRIO_METRICS_PORT"] = str(self._metrics_port)
        self._log = data_dir.with_name(f"{name}.log")

    @property
    def metrics(self) -> str:
        """From the port that no proxy publishes."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self._metrics_port}/metrics", timeout=5) as answer:
            return bytes(answer.read()).decode()

    def launch(self, *flags: str) -> None:
        command = [sys.executable, "-m", "telemetrio", "realtime", "--data-dir", str(self.data_dir), *flags]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **self._environment})


class Visitor:
    """Subscribes to everything. `got`: (device, timestamp) by the kind of message that brought it."""

    def __init__(self) -> None:
        self.got: dict[str, Counter[tuple[str, str]]] = {"readings": Counter(), "history": Counter()}
        self.gaps: list[dict[str, Any]] = []
        self.cursor: str | None = None

    @property
    def identities(self) -> set[tuple[str, str]]:
        return self.got["readings"].keys() | self.got["history"].keys()

    async def visit(self, url: str, enough: Callable[[], bool]) -> None:
        """Stay until there is enough, or the server is gone; come back with the cursor of before."""
        asked: dict[str, Any] = {"type": "subscribe", "id": 1, "devices": "*"}
        if self.cursor is not None:
            asked["since"] = self.cursor
        async with aiohttp.ClientSession() as session, session.ws_connect(f"{url}/ws") as raw:
            await raw.send_str(orjson.dumps(asked).decode())
            while not enough():
                frame = await raw.receive(_WITHIN_S)
                if frame.type is not aiohttp.WSMsgType.TEXT:
                    return
                self._hear(orjson.loads(frame.data))

    def _hear(self, message: dict[str, Any]) -> None:
        if message["type"] in self.got:
            self.got[message["type"]].update((one["device_id"], one["timestamp"]) for one in message["readings"])
        elif message["type"] == "gap":
            self.gaps.append(message)
        self.cursor = message.get("cursor", self.cursor)
