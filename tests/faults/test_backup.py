"""A million readings out of files and into servers, both commands killed in the middle, again and again."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import pytest
from rich.progress import Progress

from shared.database.migrations.upgrade import upgrade
from shared.readings import Reading
from shared.times import iso_ns
from shared.timeseries.settings import StoreSettings
from shared.timeseries.store import RawQuery
from telemetrio.backup import history
from telemetrio.backup.check import check
from telemetrio.backup.manifest import rows_of
from telemetrio.backup.system import System, opened
from tests.fakes.batches import committed
from tests.peers.influxdb import Influxd
from tests.peers.postgres import Cluster
from tests.peers.waiting import eventually

pytestmark = [pytest.mark.faults, pytest.mark.peer("postgres"), pytest.mark.peer("influxd")]

_BEGIN_NS = 1_767_268_800_000_000_000
_HOUR_NS = 3_600_000_000_000
_DEVICES = 20
_KILLS = 2


@pytest.fixture
def influxd(tmp_path: Path) -> Iterator[Influxd]:
    server = Influxd(tmp_path / "influxd")
    server.start()
    server.query("CREATE DATABASE telemetrio")
    yield server
    server.stop()


def readings(device: int, start: int, number: int) -> list[Reading]:
    return [
        Reading(
            f"d{device:03}", 1 + device % 3, "sensor_data", _BEGIN_NS + n * 1_000_000_007, {"t": n / 7, "on": n % 2 > 0}
        )
        for n in range(start, start + number)
    ]


async def fill(chosen: StoreSettings, each: int) -> None:
    async with opened(chosen) as system:
        await upgrade(system.engine)
        for device in range(_DEVICES):
            for start in range(0, each, 10_000):
                await system.store.write([committed(readings(device, start, min(10_000, each - start)))])


def killed(far: Callable[[], bool], *words: str, **environment: str) -> None:
    """Kill -9 when it has come so far; it must not have been at its end."""
    process = started(*words, **environment)
    try:
        eventually(lambda: process.poll() is not None or far(), 600)
    finally:
        process.kill()
    assert process.wait() == -9


def size(file: Path) -> int:
    return file.stat().st_size if file.exists() else 0


def parts_done(bookmark: Path) -> int:
    return int(orjson.loads(bookmark.read_bytes())["parts"]) if bookmark.exists() else 0


def started(*words: str, **environment: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "telemetrio", *words]
    return subprocess.Popen(command, env={**os.environ, **environment}, stderr=subprocess.DEVNULL)


def ended(*words: str, **environment: str) -> None:
    assert started(*words, **environment).wait(900) == 0


async def everything(system: System, device: int) -> list[Reading]:
    """All of one device, hour by hour, as somebody asks for it who looks at it."""
    found: list[Reading] = []
    for start in range(_BEGIN_NS, _BEGIN_NS + 15 * _HOUR_NS, _HOUR_NS):
        page = await system.store.raw(RawQuery(f"d{device:03}", None, start, start + _HOUR_NS, 9_000))
        assert not page.more
        found += page.readings
    return found


async def compare(chosen: StoreSettings, each: int) -> None:
    async with opened(chosen) as system:
        for device in range(_DEVICES):
            assert await everything(system, device) == readings(device, 0, each)


def lines_in(file: Path) -> int:
    return file.read_bytes().count(b"\n") if file.exists() else 0


@pytest.mark.long
def test_what_is_refused_stands_in_its_file_once(influxd: Influxd, tmp_path: Path) -> None:
    """Killed twice while a third of the readings is refused: each is in the file once, as an import takes it."""
    each, file = 10_000, tmp_path / "site.tar"
    source = StoreSettings(data_dir=tmp_path / "files", _env_file=None)
    source.data_dir.mkdir()
    asyncio.run(fill(source, each))
    ended("backup", str(file), "--data-dir", str(source.data_dir))
    for bucket in ("of_1", "of_2", "of_3"):
        influxd.query(f'CREATE DATABASE "{bucket}"')
    influxd.write("of_2", f'sensor_data t="text" {_BEGIN_NS}')

    servers = {
        "INFLUXDB_URL": influxd.url,
        "TELEMETRIO_INFLUXDB_BUCKET": "of",
        "TELEMETRIO_INFLUXDB_BUCKET_PER_USER": "true",
    }
    putting = ("restore", str(file), "--data-dir", str(tmp_path / "servers"))
    rest = file.with_name("site.tar.refused.ndjson")
    for kill in range(_KILLS):
        killed(lambda least=15_000 * (kill + 1): lines_in(rest) > least, *putting, **servers)  # type: ignore[misc]
    assert started(*putting, **servers).wait(900) == 1
    rows = [orjson.loads(line) for line in rest.read_bytes().splitlines()]
    assert [(row["device_id"], row["timestamp"]) for row in rows] == [
        (one.device_id, iso_ns(one.ts_ns)) for device in range(1, _DEVICES, 3) for one in readings(device, 0, each)
    ]
    assert set(rows[0]) == {"device_id", "timestamp", "measurement", "values"}


@pytest.mark.long
def test_a_million_readings_killed_in_the_middle(cluster: Cluster, influxd: Influxd, tmp_path: Path) -> None:
    """Each command killed twice: what is on the servers then is, reading by reading, what was in the files."""
    each, file = 50_000, tmp_path / "site.tar"
    source = StoreSettings(data_dir=tmp_path / "files", _env_file=None)
    source.data_dir.mkdir()
    asyncio.run(fill(source, each))
    unfinished = file.with_name("site.tar.partial")
    taking = ("backup", str(file), "--data-dir", str(source.data_dir))
    for kill in range(_KILLS):
        killed(lambda least=2_000_000 * (kill + 1): size(unfinished) > least, *taking)  # type: ignore[misc]
    ended(*taking)
    manifest = check(file, Progress(disable=True)).manifest
    assert rows_of(manifest.parts, history.READINGS) == _DEVICES * each

    servers = {"DATABASE_URL": cluster.url, "INFLUXDB_URL": influxd.url}
    putting = ("restore", str(file), "--data-dir", str(tmp_path / "servers"))
    bookmark = file.with_name("site.tar.restoring")
    for kill in range(_KILLS):
        killed(lambda least=60 * (kill + 1): parts_done(bookmark) > least, *putting, **servers)  # type: ignore[misc]
    ended(*putting, **servers)
    target = StoreSettings(
        data_dir=tmp_path / "servers", database_url=cluster.url, influxdb_url=influxd.url, _env_file=None
    )
    asyncio.run(compare(target, each))
