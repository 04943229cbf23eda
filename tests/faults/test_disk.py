"""Fault 13 on a real disk: full, failing, read-only. Nothing is acknowledged that isn't on it; it goes on by itself."""

import asyncio
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.process import ExitCode
from tests.faults.test_ingest_servers import Site, all_stored_once, publish
from tests.peers.disk import SmallDisk
from tests.peers.waiting import eventually

pytestmark = [pytest.mark.peer("mosquitto"), pytest.mark.peer("influxd"), pytest.mark.faults]

MOST_ROUNDS = 40  # of 500 messages


class SiteOnDisk(Site):
    """No bound but the disk's own: what is met is what SQLite meets."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.worker._environment["TELEMETRIO_MIN_FREE_DISK_MIB"] = "0"

    def outbox(self) -> tuple[bool, str]:
        """(whether the worker is ready, what it says of its outbox)."""
        told = self.worker.get("/readyz")
        seen = told["dependencies"].get("outbox", {"state": "", "detail": ""})
        return bool(told["ready"]), f"{seen['state']} {seen['detail']}"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with SmallDisk(tmp_path / "data", 48) as mounted:
        yield mounted


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SiteOnDisk]:
    running = SiteOnDisk(tmp_path)
    running.start()
    yield running
    running.stop()


async def publish_until_it_is_full(site: SiteOnDisk) -> set[int]:
    sent: set[int] = set()
    for _ in range(MOST_ROUNDS):
        sent |= await publish(site.broker.port, 500)
        ready, _ = await asyncio.to_thread(site.outbox)
        if not ready:
            return sent
    raise AssertionError(f"{len(sent)} messages were taken by a disk that takes nothing")


async def publish_until_it_stays_full(site: SiteOnDisk, disk: SmallDisk) -> set[int]:
    """What its log gives back when it is put into the file is taken away, too."""
    sent: set[int] = set()
    for _ in range(MOST_ROUNDS):
        sent |= await publish_until_it_is_full(site)
        await asyncio.to_thread(disk.fill)
        ready, _ = await asyncio.to_thread(site.outbox)
        if not ready:
            return sent
    raise AssertionError("room comes from nowhere")


async def nothing_is_taken(site: SiteOnDisk, sent: set[int], reason: str) -> None:
    """It says why, lives on, and has not acknowledged what it could not write."""
    await asyncio.to_thread(eventually, lambda: reason in site.outbox()[1], 10)
    more = await publish(site.broker.port, 500)
    assert site.worker.get("/healthz")["status"] == "alive"
    books = site.worker.get("/books")
    assert books["balanced"]
    assert books["received"] < len(sent | more)
    sent |= more


@pytest.mark.peer("tmpfs")
async def test_a_full_disk_costs_nothing(disk: SmallDisk, site: SiteOnDisk) -> None:
    """Filled to the last byte with the store away: not acknowledged, not ready; with room again all is stored once."""
    sent = await publish(site.broker.port, 500)
    await asyncio.to_thread(site.influx.kill)
    await asyncio.to_thread(disk.fill)
    sent |= await publish_until_it_stays_full(site, disk)
    await nothing_is_taken(site, sent, "down")
    disk.free()
    await asyncio.to_thread(site.influx.start)
    await asyncio.to_thread(eventually, lambda: site.outbox()[0], 20)
    await asyncio.to_thread(all_stored_once, site, sent)
    assert (disk.folder / "ballast").stat().st_size == 16 << 20


@pytest.mark.long
@pytest.mark.peer("tmpfs")
async def test_a_full_disk_drains_into_the_store(disk: SmallDisk, site: SiteOnDisk) -> None:
    """Nobody makes room: the ballast does, so that what the store took can be deleted."""
    await asyncio.to_thread(site.influx.kill)
    sent = await publish(site.broker.port, 2_000)
    await asyncio.to_thread(disk.fill)
    sent |= await publish_until_it_is_full(site)
    await asyncio.to_thread(site.influx.start)
    await asyncio.to_thread(eventually, lambda: site.worker.get("/books")["spooled"] == 0, 60)
    disk.free()
    await asyncio.to_thread(all_stored_once, site, sent)


@pytest.mark.long
@pytest.mark.peer("tmpfs")
async def test_a_read_only_disk_is_named_and_mended_by_a_start(disk: SmallDisk, site: SiteOnDisk) -> None:
    """It doesn't start on one, says which directory, and touches nothing; writable again, all of it is stored once."""
    await asyncio.to_thread(site.influx.kill)
    sent = await publish(site.broker.port, 500)
    await asyncio.to_thread(eventually, lambda: site.worker.get("/books")["spooled"] == len(sent), 20)
    await asyncio.to_thread(site.worker.kill)
    sent |= await publish(site.broker.port, 500)
    disk.read_only()
    site.worker.launch()
    assert await asyncio.to_thread(site.worker.wait, 20) == ExitCode.DIED
    assert f"{disk.folder} can't be written" in site.worker.log
    disk.writable()
    await asyncio.to_thread(site.influx.start)
    await asyncio.to_thread(site.worker.start)
    await asyncio.to_thread(all_stored_once, site, sent)
    assert list(disk.folder.glob("*damaged*")) == []


async def test_a_disk_that_fails_is_waited_for(site: SiteOnDisk) -> None:
    """Writes that the kernel refuses (here by a limit on its files), while it runs: nothing is lost, it goes on."""
    await asyncio.to_thread(site.influx.kill)
    sent = await publish(site.broker.port, 500)
    pid = site.worker.pid
    _, most = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (64 * 1024, most))
    sent |= await publish_until_it_is_full(site)
    await nothing_is_taken(site, sent, "disk")  # an I/O error, or no room for what is kept free
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (most, most))
    await asyncio.to_thread(eventually, lambda: site.outbox()[0], 20)
    await asyncio.to_thread(site.influx.start)
    await asyncio.to_thread(all_stored_once, site, sent)
