"""What an ingest tells Prometheus: measured once for each commit and each write, never for a message."""

import sqlite3
import time
from collections import Counter as Tallied
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector

from services.ingest.backlog import RegistryRow, oldest_ns
from services.ingest.connection import Tally
from services.ingest.delivery import Intake
from services.ingest.group import Group, Letter
from services.ingest.latency import Latency
from services.ingest.live import LiveAnnouncer
from services.ingest.outbox import Outbox
from services.ingest.outboxfile import Completion
from services.ingest.settings import IngestSettings
from services.ingest.stages import counted, seconds
from services.ingest.subscriber import Subscriber
from shared.books import COLUMNS
from shared.health import Health
from shared.metrics import SECONDS, SIZES, Figure, Figures, watch_health
from shared.readings import ReadingBatch

T = TypeVar("T")

_BESIDE = {
    "messages": "Messages with data or that made no sense, repeats left out.",
    "metrics_refused": "Metrics that were refused while the others of their sample were accepted.",
    "duplicates": "Messages that the broker delivered again although they had been committed.",
    "overwritten": "Samples that overwrote another one of the same message.",
    "ignored": "Messages on topics that are none of a device's.",
    "status": "Status messages.",
}


class Instruments:
    """The registry, and what is measured as it happens."""

    def __init__(self, health: Health) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        watch_health(registry, health)
        part = "telemetrio_ingest"
        self.commit_s = Histogram(
            f"{part}_commit_seconds", "A commit with its fsync.", registry=registry, buckets=SECONDS
        )
        self.commit_readings = Histogram(
            f"{part}_commit_readings", "Readings in one commit.", registry=registry, buckets=SIZES
        )
        self.write_s = Histogram(
            f"{part}_write_seconds",
            "A write to the store, by what came of it.",
            ["outcome"],
            registry=registry,
            buckets=SECONDS,
        )
        self.write_readings = Histogram(
            f"{part}_write_readings", "Readings in one write to the store.", registry=registry, buckets=SIZES
        )
        self._entries = Counter(
            f"{part}_entries",
            "Entries since the start, by outcome; refused ones by code.",
            ["outcome", "code"],
            registry=registry,
        )
        self._letters = Counter(
            f"{part}_dead_letters", "Dead letters since the start, by code.", ["code"], registry=registry
        )
        self.transactions = Counter(
            f"{part}_transactions", "Of the outbox's file, each with an fsync.", ["kind"], registry=registry
        )
        self.latency = Latency()
        self._accepted = self._entries.labels("accepted", "")
        self._stored = self._entries.labels("stored", "")

    def committed(self, seconds: float, group: Group) -> None:
        self.commit_s.observe(seconds)
        self.commit_readings.observe(len(group.readings))
        self.transactions.labels("commit").inc()
        self._accepted.inc(len(group.readings))
        self._refused(group.letters)

    def completed(self, completion: Completion) -> None:
        refused = sum(letter.entries for letter in completion.letters)
        self._stored.inc(completion.entries - refused)
        self._refused(completion.letters)

    def _refused(self, letters: Iterable[Letter]) -> None:
        # thousands of poison messages in one group are a handful of codes
        entries: Tallied[str] = Tallied()
        count: Tallied[str] = Tallied()
        for letter in letters:
            entries[letter.code] += letter.entries
            count[letter.code] += 1
        for code, number in count.items():
            self._entries.labels("refused", code).inc(entries[code])
            self._letters.labels(code).inc(number)


class MeasuredOutbox(Outbox):
    """The outbox, and a clock beside it."""

    def __init__(self, settings: IngestSettings, health: Health, instruments: Instruments) -> None:
        super().__init__(settings, health)
        Figures(instruments.registry, self.figures())
        self._instruments = instruments
        self.latency = instruments.latency
        self._oldest_ns: int | None = None
        self._heard_ns = 0

    async def commit(self, group: Group, registered: Iterable[RegistryRow]) -> ReadingBatch | None:
        begun = time.perf_counter()
        batch = await super().commit(group, registered)
        took_s = time.perf_counter() - begun
        self._instruments.committed(took_s, group)
        self.latency.note("commit", took_s)
        if not group.gone:  # what is driven again was heard long ago
            self._heard_ns = max(self._heard_ns, group.received_ns)
            if batch is not None and batch.readings and not group.quiet:
                # not `committed_ns`, which is written with the row, before the fsync
                self.latency.note("device", (time.time_ns() - batch.readings[-1].ts_ns) / 1e9)
        return batch

    def complete(self, completion: Completion, after: int | None = None) -> None:
        super().complete(completion, after)
        self._instruments.completed(completion)

    async def flush(self) -> None:
        await super().flush()
        self._instruments.transactions.labels("flush").inc()

    async def change(self, statements: Callable[[sqlite3.Connection], None]) -> None:
        await super().change(statements)
        self._instruments.transactions.labels("change").inc()

    async def _call(self, work: Callable[[], T]) -> T:
        return await super()._call(counted("commit")(work))

    async def look(self) -> None:
        """Read what only the file knows; for the figures that are asked for next."""
        self._oldest_ns = await self.read(oldest_ns)

    def figures(self) -> list[Figure]:
        part = "telemetrio_ingest"
        return [
            Figure(f"{part}_books", "The books of this worker, by column.", "gauge", self._columns, "column"),
            Figure(f"{part}_outbox_rows", "Groups that the store has yet to get.", "gauge", self._rows),
            Figure(f"{part}_outbox_bytes", "Pages in use, dead letters left out.", "gauge", lambda: self._used),
            Figure(f"{part}_outbox_bound_bytes", "Above this, devices wait.", "gauge", lambda: self._bound),
            Figure(
                f"{part}_outbox_oldest_age_seconds",
                "Age of the oldest group that the store has yet to get, or 0.",
                "gauge",
                lambda: _age_s(self._oldest_ns),
            ),
            Figure(
                f"{part}_last_message_age_seconds",
                "Since the last message that was committed.",
                "gauge",
                lambda: {"": _age_s(self._heard_ns)} if self._heard_ns else {},
            ),
            Figure(f"{part}_cpu_seconds", "CPU time of this process, by stage.", "counter", seconds, "stage"),
            *(Figure(f"{part}_{name}", text, "counter", partial(self._column, name)) for name, text in _BESIDE.items()),
        ]

    def _column(self, name: str) -> float:
        return self.books[name]

    def _columns(self) -> Mapping[str, float]:
        return {name: self.books[name] for name in COLUMNS}

    def _rows(self) -> float:
        return self.last_seq - self.stored_seq


def _age_s(since_ns: int | None) -> float:
    return 0.0 if since_ns is None else max(0.0, (time.time_ns() - since_ns) / 1e9)


def watch_intake(registry: CollectorRegistry, intake: Intake) -> None:
    text = "Messages that wait for the next commit."
    Figures(registry, [Figure("telemetrio_ingest_waiting_messages", text, "gauge", lambda: len(intake))])


def watch_broker(registry: CollectorRegistry, subscriber: Subscriber) -> None:
    """A network broker's connection."""

    def count(name: str, text: str, read: Callable[[Tally], float]) -> Figure:
        return Figure(f"telemetrio_ingest_broker_{name}", text, "counter", lambda: read(subscriber.stats()))

    Figures(
        registry,
        [
            count("messages", "Messages that the broker delivered, repeats too.", lambda seen: seen.messages),
            count("duplicates", "Of those, repeats of what this process had.", lambda seen: seen.duplicates),
            count(
                "connections",
                "Connections made: all but the first are reconnects.",
                lambda seen: seen.connections,
            ),
            count(
                "violations",
                "Connections ended because the broker broke the protocol.",
                lambda seen: seen.violations,
            ),
            count(
                "sessions_lost",
                "Connections without the session of before.",
                lambda seen: seen.sessions_lost,
            ),
            count("pauses", "Times that reading was paused for want of room.", lambda seen: seen.pauses),
        ],
    )


def watch_live(registry: CollectorRegistry, live: LiveAnnouncer) -> None:
    name = "telemetrio_ingest_live_announcements"
    text = "Announcements to realtime, by what became of them."

    def told() -> Mapping[str, float]:
        return {"sent": live.sent, "dropped": live.dropped}

    Figures(registry, [Figure(name, text, "counter", told, "outcome")])
