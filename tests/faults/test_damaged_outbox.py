"""Fault 14 on real servers: a worker is killed with messages on disk, its file is damaged, and it is started again."""

import asyncio
import random
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from services.ingest import damage, soundness
from tests.faults.test_ingest_servers import Site, publish
from tests.peers.waiting import eventually

pytestmark = [pytest.mark.peer("mosquitto"), pytest.mark.peer("influxd"), pytest.mark.faults]

MESSAGES = 2_000


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    running = Site(tmp_path)
    running.start()
    yield running
    running.stop()


async def leave_on_disk(site: Site) -> set[int]:
    """Messages that the broker and the worker acknowledged, and that the store, which is away, has yet to get."""
    await asyncio.to_thread(site.influx.kill)
    sent: set[int] = set()
    for _ in range(20):
        sent |= await publish(site.broker.port, MESSAGES // 20)
    await asyncio.to_thread(eventually, lambda: site.worker.get("/books")["spooled"] == len(sent), 30)
    await asyncio.to_thread(site.worker.kill)
    return sent


def sound(path: Path) -> set[int]:
    """The times of all readings in rows that SQLite gives, one by one, and whose checksum holds."""
    found: set[int] = set()
    with closing(damage.read_only(path)) as connection:
        (last,) = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'spool'").fetchone()
        for seq in range(1, last + 1):
            try:
                row = connection.execute("SELECT crc, body, status FROM spool WHERE seq = ?", (seq,)).fetchone()
            except sqlite3.DatabaseError:
                continue
            content = None if row is None else soundness.spooled(*row)
            if content is not None:
                found.update(reading.ts_ns for reading in content.readings)
    return found


def spoil(site: Site, where: str) -> None:
    """The log is put into the file first, so that there is something to damage; then its pages, or its log's bytes."""
    path = site.worker.data_dir / "ingest.outbox"
    choices = random.Random(14)
    if where == "log":
        path = damage.beside(path, "-wal")
        data = bytearray(path.read_bytes())
        data[32 + 24 + 100] ^= 0x55  # in its first frame: what lies behind an older round's frames is nobody's
    else:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        data = bytearray(path.read_bytes())
        size = int.from_bytes(data[16:18])
        pages = range(0, len(data), size)
        leaves = [at for at in pages if data[at] == 13 and b'"temperature":' in data[at : at + size]]
        if where == "pages":
            for at in choices.sample(leaves, 3):
                data[at : at + size] = choices.randbytes(size)
        else:
            at = data.find(b"temperature", leaves[len(leaves) // 2])
            data[at] ^= 0x20
    path.write_bytes(data)


LONG = [pytest.param(where, marks=pytest.mark.long) for where in ("row", "log")]


@pytest.mark.parametrize("where", ["pages", *LONG])
async def test_a_damaged_file_costs_only_what_was_damaged(site: Site, where: str) -> None:
    """It starts; every reading whose row is sound is stored once; the rest is counted, told, and kept in a file.

    What the broker was not told of before the kill comes again: of that nothing is lost, though its row was.
    """
    sent = await leave_on_disk(site)
    spoil(site, where)
    expected = sound(site.worker.data_dir / "ingest.outbox")
    assert expected < sent or where == "log"  # it may hold nothing but answers of the database
    await asyncio.to_thread(site.influx.start)
    await asyncio.to_thread(site.worker.start)
    await asyncio.to_thread(site.ready)
    sent_after = await publish(site.broker.port, 10)
    await asyncio.to_thread(eventually, lambda: expected | sent_after <= set(site.stored()), 30)
    await asyncio.to_thread(eventually, lambda: site.worker.get("/books")["spooled"] == 0, 20)
    found = site.stored()
    assert expected | sent_after <= set(found) <= sent | sent_after
    assert len(found) == len(set(found))
    books = site.worker.get("/books")
    assert books["balanced"]
    seen = site.worker.get("/readyz")
    assert seen["ready"]
    assert seen["dependencies"]["outbox_file"]["state"] == "degraded"
    aside = list(site.worker.data_dir.glob("ingest.outbox.damaged-*"))
    if where == "row":
        assert books["dead_lettered"] == len(sent) - len(expected)
        assert "row_damaged" in site.worker.log
        assert aside == []
    else:
        assert aside
        assert "is set aside as ingest.outbox.damaged-" in site.worker.log
    if where == "pages":
        assert books["dead_lettered"] == len(sent) - len(expected)
        assert f"{books['dead_lettered']} entries are lost" in seen["dependencies"]["outbox_file"]["detail"]
    site.worker.stop()
    with closing(sqlite3.connect(site.worker.data_dir / "ingest.outbox")) as connection:
        asked = "SELECT (SELECT total(entries) FROM spool), (SELECT total(entries) FROM dead)"
        assert connection.execute(asked).fetchone() == (0, books["dead_lettered"])


@pytest.mark.long
async def test_a_file_that_was_deleted_while_stopped_is_begun_anew(site: Site) -> None:
    """With a lock file left behind: it starts, says nothing that isn't so, and takes what comes."""
    sent = await publish(site.broker.port, 100)
    await asyncio.to_thread(eventually, lambda: sent <= set(site.stored()), 20)
    await asyncio.to_thread(site.worker.stop)
    (site.worker.data_dir / "ingest.outbox").unlink()
    assert (site.worker.data_dir / "ingest.lock").exists()
    await asyncio.to_thread(site.worker.start)
    await asyncio.to_thread(site.ready)
    after = await publish(site.broker.port, 100)
    await asyncio.to_thread(eventually, lambda: sent | after <= set(site.stored()), 20)
    await asyncio.to_thread(eventually, lambda: site.worker.get("/books")["stored"] == len(after), 20)
    assert site.worker.dependency("outbox_file") == ""
