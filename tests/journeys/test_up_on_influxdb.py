"""`telemetrio up` with readings in a real InfluxDB instead of its file: the same answers."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.influxdb import Influxd
from tests.peers.system import System
from tests.peers.waiting import eventually

pytestmark = pytest.mark.peer("influxd")


@pytest.fixture
def influx(tmp_path: Path) -> Iterator[Influxd]:
    running = Influxd(tmp_path / "influx")
    running.start()
    running.query("CREATE DATABASE telemetrio")
    yield running
    running.stop()


def test_readings_go_to_influxdb_and_come_back_from_it(tmp_path: Path, influx: Influxd) -> None:
    """By the seeds' own name of the setting; a restart of InfluxDB is waited for, and nothing is lost."""
    system = System(tmp_path / "data", INFLUXDB_URL=influx.url)
    system.start()
    try:
        system.publish("iot/devices/d/data", b'{"temperature": 23.5, "door": "open", "heating": true}')
        path = "/api/v1/devices/d/readings"
        page = eventually(lambda: system.get(path) if system.device("d") and system.get(path)["data"] else None)
        assert page["data"][0]["values"] == {"temperature": 23.5, "door": "open", "heating": True}
        assert not (tmp_path / "data" / "readings.db").exists()
        influx.kill()
        status, told = system.request("GET", path)
        assert (status, told["code"]) == (503, "store_unavailable")
        for number in range(50):
            system.publish("iot/devices/d/data", b'{"temperature": %d}' % number)
        influx.start()
        eventually(lambda: len(system.get(path)["data"]) == 51 if system.request("GET", path)[0] == 200 else None, 60)
        assert system.get("/api/v1/ingest/books")["total"]["balanced"]
    finally:
        assert system.stop() == 0
