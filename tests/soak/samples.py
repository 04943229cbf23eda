"""How the processes are while a soak runs: memory and books, every few seconds, on a thread of its own."""

import threading
import time
from pathlib import Path
from typing import NamedTuple, Self

from tests.soak.servers import Servers
from tests.soak.speech import Speech

_EVERY_S = 2.0


class Sample(NamedTuple):
    """`memory_mib` by process; `received` and `spooled` are None while ingest is away."""

    at_s: float
    acknowledged: int
    received: int | None
    spooled: int | None
    memory_mib: dict[str, float]


class Sampler:
    """A context; `samples` grows meanwhile."""

    def __init__(self, servers: Servers, speech: Speech) -> None:
        self._servers = servers
        self._speech = speech
        self._begun_s = time.monotonic()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="samples", daemon=True)
        self.samples: list[Sample] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(_EVERY_S):
            self.samples.append(self._sample())

    def _sample(self) -> Sample:
        books = self._books()
        return Sample(
            time.monotonic() - self._begun_s,
            len(self._speech.acknowledged),
            books.get("received"),
            books.get("spooled"),
            self._memory(),
        )

    def _books(self) -> dict[str, int]:
        try:
            books: dict[str, int] = self._servers.plant.worker.get("/books")
        except OSError:  # it was killed, and is not back yet
            return {}
        return books

    def _memory(self) -> dict[str, float]:
        found = {}
        for name, process in (
            ("ingest", self._servers.plant.worker),
            ("realtime", self._servers.realtime),
            ("api", self._servers.api),
        ):
            try:
                status = Path(f"/proc/{process.pid}/status").read_text()
                found[name] = int(status.partition("VmRSS:")[2].split()[0]) / 1024
            except (OSError, AssertionError, IndexError):  # not there at this moment
                continue
        return found
