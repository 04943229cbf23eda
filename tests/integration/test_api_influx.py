"""What the API reads, on a real InfluxDB: the same answers as on SQLite."""

import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from services.api.app import create_app
from services.api.resources import Resources
from services.api.settings import ApiSettings
from shared.readings import Reading
from shared.timeseries.influx import InfluxStore
from shared.timeseries.influxhttp import Target
from tests.fakes.batches import write
from tests.integration.api_rig import NOON_NS, Answer, Api, opened
from tests.peers.influxdb import Influxd

pytestmark = pytest.mark.peer("influxd")
SECOND = 1_000_000_000


@pytest.fixture
def influxd(tmp_path: Path) -> Iterator[Influxd]:
    server = Influxd(tmp_path / "influx")
    server.start()
    try:
        server.query("CREATE DATABASE t")
        yield server
    finally:
        server.stop()


@pytest.fixture
async def store(influxd: Influxd) -> AsyncIterator[InfluxStore]:
    made = InfluxStore(Target(influxd.url, "", "", "t"))
    yield made
    await made.close()


async def test_the_same_answers_as_on_sqlite(tmp_path: Path, store: InfluxStore) -> None:
    """A user's newest readings, a phone's summary and the web's analytics, to the last digit."""
    async with opened(tmp_path) as api:
        await api.add_devices("d1", "d2", "knee")
        now_ns = time.time_ns()
        for each in (api.store, store):
            await write(each, readings(now_ns))
        analytics = "/api/v1/web/analytics?start=2026-01-01T12:00:00Z&end=2026-01-01T13:00:00Z&every=5m&devices="
        for path in (
            "/api/user/1",
            "/api/sensor_data/1?limit=7",
            "/api/v1/mobile/summary?timezone=Pacific/Kiritimati",
            f"{analytics}d1,d2&compare=devices",
            f"{analytics}knee&compare=previous",
        ):
            here, there = await api.get(path), await ask(api, store, path)
            assert here.status == there.status == 200
            assert {**here.json, "request_id": ""} == {**there.json, "request_id": ""}
        assert here.json["devices"][0]["knee"]["repetitions"] == 3


def readings(now_ns: int) -> list[Reading]:
    """Of an hour on New Year's Day, and a few of just now; also words, states, and somebody else's."""
    found = [
        Reading(device_id, owner, "sensor_data", NOON_NS + second * SECOND, {"temperature": second / 7, "door": True})
        for device_id, owner in (("d1", 1), ("d2", 1), ("d1", 2))
        for second in range(0, 3_600, 9)
    ]
    for step, x in enumerate([0.0, 1.0, 5.0, 1.0, 0.0, 2.0, 6.0, 0.0, 5.5, 0.5]):
        values = {"x": x, "y": 1.0, "z": -1.0}
        found += [
            Reading("knee", 1, "knee_data", at + step * SECOND, dict(values)) for at in (NOON_NS, now_ns - 60 * SECOND)
        ]
    return [*found, Reading("d1", 1, "telemetry", now_ns - SECOND, {"mode": "eco", "temperature": 1.25})]


async def ask(api: Api, store: InfluxStore, path: str) -> Answer:
    """The same API, with its readings in InfluxDB."""
    settings = ApiSettings(_env_file=None, data_dir=api.web_dir.parent)
    app = create_app(Resources(settings, api.engine, store, api.health, "1.2.3", api.web_dir))
    response = await app.test_client().get(path)
    return Answer(response, await response.get_data(as_text=False))
