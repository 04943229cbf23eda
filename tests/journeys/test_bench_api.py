"""`telemetrio bench api`, small: it measures a real API over a real InfluxDB, and fails where the two differ."""

from pathlib import Path

import pytest
from rich.console import Console

from shared.timeseries.sqlite import SqliteStore
from shared.timeseries.store import RawQuery
from telemetrio.bench_api import Plan, bench_api
from telemetrio.past import BEGIN_NS, DAY_NS, Fleet, device_id, lay_down


@pytest.mark.peer("influxd")
async def test_it_measures_an_api_over_a_real_store() -> None:
    """Each figure once, every device listed, the same points from both, and every reading exported."""
    figures = await bench_api(Plan(devices=12, readings=480, requests=3), Console(quiet=True))
    told = {figure.name.strip(): figure.value for figure in figures}
    assert [name.partition(",")[0] for name in told] == [
        "GET /api/devices",
        "GET /api/devices",
        "a raw range of 40 points by the API",
        "the same InfluxQL",
        "ratio of the medians",
        "a day of 12 devices",
        "export of 480 readings",
        "memory before",
        "on",
    ]
    assert "480 points in 1 answers" in told["a day of 12 devices, 40 readings each, to 500 points"]


async def test_a_fleets_past_lies_within_its_day(tmp_path: Path) -> None:
    """So many readings of each device, all at different moments; laid down again they are the same ones."""
    store = SqliteStore(tmp_path / "readings.db")
    await store.open()
    for _ in range(2):
        await lay_down(Fleet(devices=3, each=7), store)
    for number in range(3):
        page = await store.raw(RawQuery(device_id(number), None, BEGIN_NS, BEGIN_NS + DAY_NS, 100))
        assert len({reading.ts_ns for reading in page.readings}) == len(page.readings) == 7
    await store.close()
