"""Out of one system and into an empty one: the same bytes, on each store."""

import asyncio
import json
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.client import IncompleteRead
from pathlib import Path
from typing import Any

import pytest

from shared.readings import Reading
from shared.timeseries.sqlite import SqliteStore
from tests.fakes.batches import write
from tests.peers.influxdb import Influxd
from tests.peers.system import System
from tests.peers.waiting import eventually

ASKED = ("devices=d1&format=ndjson", "devices=d2&shape=long", "devices=*&metrics=temperature,door,mode,humidity")
KINDS = ("application/x-ndjson", "text/csv")


@contextmanager
def running(folder: Path, influx: Influxd | None) -> Iterator[System]:
    """A system on its own files, or on a database of its own."""
    more: dict[str, Any] = {} if influx is None else {"INFLUXDB_URL": influx.url, "INFLUXDB_BUCKET": folder.name}
    if influx is not None:
        influx.query(f"CREATE DATABASE {folder.name}")
    system = System(folder, **more)
    system.start()
    try:
        yield system
    finally:
        assert system.stop() == 0


def stored(system: System) -> int | None:
    """How many entries are in the store, once nothing is on its way."""
    total = system.get("/api/v1/ingest/books")["total"]
    assert total["balanced"]
    return total["stored"] if total["received"] and not total["spooled"] else None


def exported(system: System, asked: str) -> bytes:
    url = f"{system.http}/api/v1/readings/export?{asked}"
    with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - our own server
        return bytes(answer.read())


def publish(system: System) -> None:
    texts = ["eco", '=1+"1"', "a,b", "zeile\nzwei", "1.5", "true", "", "é😀", "'"] * 30
    samples = [
        {"ts": 1767268800_000000000 + n * 1_000_000_001, "temperature": n / 7, "door": n % 2 == 0, "mode": mode}
        for n, mode in enumerate(texts)
    ]
    for device_id in ("d1", "d2"):
        system.publish(f"iot/devices/{device_id}/data", json.dumps(samples))
    extremes = {"ts": 1767268800, "temperature": -(2**53), "humidity": 1e300}
    system.publish("iot/devices/d2/data", json.dumps(extremes))
    eventually(lambda: stored(system) == 541, 20)


def there_and_back(tmp_path: Path, influx: Influxd | None) -> None:
    """One device as NDJSON, the other as a long table; both also as wide ones."""
    with running(tmp_path / "first", influx) as system:
        publish(system)
        files = [exported(system, asked) for asked in ASKED]
    assert [file.count(b"d1") for file in files] == [270, 0, 270]
    with running(tmp_path / "second", influx) as system:
        for device_id in ("d1", "d2"):
            system.request("POST", "/api/devices", {"device_id": device_id, "name": device_id})
        eventually(lambda: system.get("/api/v1/ingest/books")["sources"], 20)
        accepted = 0
        for file, kind in [*zip(files[:2], KINDS, strict=True)] * 2:  # the second time it is the same readings
            status, report = system.request("POST", "/api/v1/readings/import", file, Content_Type=kind)
            assert (status, report["refused"], report["partly"]) == (200, 0, 0)
            accepted += report["accepted"]
        eventually(lambda: stored(system) == accepted, 20)
        assert [exported(system, asked) for asked in ASKED] == files


def test_there_and_back_on_files(tmp_path: Path) -> None:
    """Export, import into an empty system, export: identical bytes."""
    there_and_back(tmp_path, None)


@pytest.mark.peer("influxd")
def test_there_and_back_on_influxdb(tmp_path: Path) -> None:
    """The same on a real InfluxDB."""
    influx = Influxd(tmp_path / "influx")
    influx.start()
    try:
        there_and_back(tmp_path, influx)
    finally:
        influx.stop()


def test_a_stop_ends_an_export_and_says_so(tmp_path: Path) -> None:
    """In time, with a last line for whoever reads, and without waiting for whoever doesn't."""
    with running(tmp_path / "data", None) as system:
        system.publish("iot/devices/d1/data", b'{"ts": 1767268800, "t": 1}')
        system.eventually_device("d1", 20)
        asyncio.run(fill(tmp_path / "data" / "readings.db"))
        path = f"{system.http}/api/v1/readings/export?devices=d1&format=ndjson"
        with urllib.request.urlopen(path) as read, urllib.request.urlopen(path) as stuck:  # noqa: S310 - our own server
            assert read.readline()
            assert stuck.readline()
            with ThreadPoolExecutor(1) as aside:
                ended = aside.submit(system.stop)
                with pytest.raises(IncompleteRead) as broken:
                    read.read()
                line = broken.value.partial.splitlines()[-1]
                assert json.loads(line)["code"] == "export_incomplete"
                assert ended.result() == 0


async def fill(path: Path) -> None:
    """Forty megabytes: more than sockets hold."""
    store = SqliteStore(path)
    await store.open()
    text = "x" * 1000
    for begin in range(0, 40_000, 5_000):
        numbers = range(begin, begin + 5_000)
        await write(store, [Reading("d1", 1, "sensor_data", 10**18 + n, {"text": text}) for n in numbers])
    await store.close()
