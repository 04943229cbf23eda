"""Metrics of an ingest against its books: on real files, and scraped from real processes."""

import asyncio
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.ingest.measuredstore import MeasuredStore
from services.ingest.metrics import Instruments
from shared.books import COLUMNS
from shared.health import Health
from shared.readings import Reading
from shared.timeseries.store import Refused, Unavailable
from tests.fakes.batches import committed
from tests.fakes.ingest import NOW, delivery
from tests.fakes.metrics import Samples, parsed, scraped
from tests.fakes.store import FailingStore
from tests.faults.test_ingest_servers import Site, publish
from tests.integration.test_pipeline import Running
from tests.peers.system import System
from tests.peers.waiting import eventually, eventually_async


def of(samples: Samples, name: str, **labels: str) -> float:
    return samples[f"telemetrio_ingest_{name}", tuple(sorted(labels.items()))]


async def test_every_entry_is_counted_by_what_became_of_it(tmp_path: Path) -> None:
    """Accepted, refused by code, stored; commits and writes, with what came of them; the books as they stand."""
    running = Running(tmp_path)
    assert isinstance(running.store, FailingStore)
    running.store.failures.append(Refused([(1, "planted")]))
    acknowledged: list[int] = []
    await running.start()
    for content in ([{"a": 1}, {"a": 2}, {"a": []}], b"not json", b"nor this", {"good": 1, "bad": []}):
        running.send(content, lambda: acknowledged.append(1))

    async def done() -> bool:
        await running.ingest.outbox.flush()
        return running.ingest.outbox.books["stored"] == 2

    await eventually_async(done)
    seen = await scraped(running.ingest.metrics)
    assert of(seen, "entries_total", outcome="accepted", code="") == 3
    assert of(seen, "entries_total", outcome="stored", code="") == 2
    assert of(seen, "entries_total", outcome="refused", code="not_json") == 2
    assert of(seen, "entries_total", outcome="refused", code="store_refused") == 1
    assert of(seen, "entries_total", outcome="refused", code="nested") == 1
    assert of(seen, "dead_letters_total", code="nested") == 2
    assert {name: of(seen, "books", column=name) for name in COLUMNS} == {
        name: running.ingest.outbox.books[name] for name in COLUMNS
    }
    assert of(seen, "commit_seconds_count") == of(seen, "commit_readings_count") >= 1
    assert of(seen, "commit_readings_sum") == 3
    assert of(seen, "transactions_total", kind="commit") == of(seen, "commit_seconds_count")
    assert of(seen, "transactions_total", kind="flush") >= 1
    assert of(seen, "transactions_total", kind="change") >= 1
    assert of(seen, "write_seconds_count", outcome="refused") == 1
    assert of(seen, "write_readings_sum") == 3
    assert of(seen, "outbox_rows") == of(seen, "outbox_oldest_age_seconds") == of(seen, "waiting_messages") == 0
    assert of(seen, "messages_total") == 4
    assert 0 < of(seen, "outbox_bytes") < of(seen, "outbox_bound_bytes")
    assert of(seen, "last_message_age_seconds") > 0
    await running.stop()


async def test_an_outage_of_the_store_is_seen_by_its_age(tmp_path: Path) -> None:
    """Rows wait, and the oldest of them grows old; each attempt is a write that was not one."""
    running = Running(tmp_path)
    assert isinstance(running.store, FailingStore)
    running.store.down = Unavailable("planted")
    await running.start()
    before = await scraped(running.ingest.metrics)
    assert ("telemetrio_ingest_last_message_age_seconds", ()) not in before
    running.send({"a": 1}, lambda: None)

    async def waits() -> bool:
        seen = await scraped(running.ingest.metrics)
        return of(seen, "outbox_rows") == 1 and of(seen, "outbox_oldest_age_seconds") > 0

    await eventually_async(waits)

    async def tried() -> bool:
        seen = await scraped(running.ingest.metrics)
        return seen.get(("telemetrio_ingest_write_seconds_count", (("outcome", "unavailable"),)), 0) >= 1

    await eventually_async(tried)
    await running.stop()


async def test_a_write_is_measured_by_what_came_of_it() -> None:
    """One that failed took its time, too; how long a reading took is told of those alone that are stored."""
    instruments = Instruments(Health())
    measured = MeasuredStore(FailingStore(Unavailable("planted")), instruments)
    batches = [committed([Reading("d1", 1, "m", NOW, {"a": 1.0})], NOW)]
    with pytest.raises(Unavailable, match="planted"):
        await measured.write(batches)
    assert instruments.latency.told() == {}
    await measured.write(batches)
    assert instruments.latency.told()["store"]["n"] == 1
    count = "telemetrio_ingest_write_seconds_count"
    for outcome in ("unavailable", "stored"):
        assert instruments.registry.get_sample_value(count, {"outcome": outcome}) == 1


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    started = Site(tmp_path)
    started.start()
    yield started
    started.stop()


def text_of(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310 - our own server
        assert answer.headers["content-type"].startswith("text/plain")
        return str(answer.read().decode())


@pytest.mark.peer("mosquitto")
@pytest.mark.peer("influxd")
async def test_a_scrape_of_a_worker_says_what_its_books_say(site: Site) -> None:
    """After 1,000 messages through a real broker: every column, and what was counted since the start."""
    sent = await publish(site.broker.port, 1_000)
    await asyncio.to_thread(eventually, lambda: site.worker.get("/books")["stored"] == len(sent), 30)
    books = site.worker.get("/books")
    seen = parsed(await asyncio.to_thread(text_of, f"{site.worker.url}/metrics"))
    assert {name: of(seen, "books", column=name) for name in COLUMNS} == {name: books[name] for name in COLUMNS}
    assert of(seen, "entries_total", outcome="stored", code="") == books["stored"] == 1_000
    assert of(seen, "broker_messages_total") >= 1_000
    assert of(seen, "broker_connections_total") == 1
    assert of(seen, "commit_readings_sum") == of(seen, "write_readings_sum") == 1_000
    assert of(seen, "live_announcements_total", outcome="sent") > 0
    stages = ("receive", "judge", "commit", "latest", "announce", "write", "mirror")
    spent = {stage: of(seen, "cpu_seconds_total", stage=stage) for stage in stages}
    assert min(spent.values()) > 0, spent
    assert sum(spent.values()) < seen["process_cpu_seconds_total", ()]
    assert seen["telemetrio_dependency_up", (("name", "broker"),)] == 1
    assert seen["process_open_fds", ()] > 0


def test_up_tells_its_own(shared_system: System) -> None:
    """On the web port, for programs on the same machine."""
    shared_system.publish("iot/devices/metrics-1/data", '{"temperature": 1}')
    seen = parsed(text_of(f"{shared_system.http}/metrics"))
    assert of(seen, "entries_total", outcome="accepted", code="") >= 1
    assert seen["telemetrio_ready", ()] == 1


async def test_from_the_device_to_the_disk_includes_the_disk(tmp_path: Path) -> None:
    """A message without a time of its own is as old as its receipt: what its commit takes is a part of its way."""
    running = Running(tmp_path)
    await running.start()
    running.ingest.intake.offer(delivery("d1", {"a": 1}, received_ns=time.time_ns()))
    latency = running.ingest.outbox.latency

    async def told() -> bool:
        return "device" in latency.told()

    await eventually_async(told)
    await running.stop()
    assert latency.told()["device"]["p50_ms"] >= latency.told()["commit"]["p50_ms"]
