"""A fleet's past, written straight into the databases: what `telemetrio bench api` asks about."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from sqlalchemy import insert

from shared.database.engine import open_engine
from shared.database.latest import push_latest
from shared.database.migrations.upgrade import upgrade
from shared.database.registry import add_measurements, ensure_local_admin
from shared.database.tables import devices
from shared.readings import Reading, ReadingBatch
from shared.timeseries.store import TimeSeriesStore

MEASUREMENT: Final = "sensor_data"
OWNER: Final = 1
DAY_NS: Final = 86_400 * 10**9
BEGIN_NS: Final = 1_767_225_600 * 10**9  # 2026-01-01T00:00:00Z: the same points in every run
_AT_ONCE: Final = 5_000


class Fleet(NamedTuple):
    """So many devices with so many readings each, spread evenly over one day; three metrics a reading."""

    devices: int
    each: int

    @property
    def step_ns(self) -> int:
        return DAY_NS // self.each

    def batches(self) -> Iterator[ReadingBatch]:
        """All readings, moment by moment, as a fleet sends them."""
        readings: list[Reading] = []
        for number in range(self.each):
            ts_ns = BEGIN_NS + number * self.step_ns
            for device in range(self.devices):
                values = {"temperature": 20 + (number * 7 + device) % 97 / 10, "humidity": 55.0, "pressure": 1013.25}
                readings.append(Reading(device_id(device), OWNER, MEASUREMENT, ts_ns, {**values}))
                if len(readings) == _AT_ONCE:
                    yield _batch(readings)
                    readings = []
        if readings:
            yield _batch(readings)


def device_id(number: int) -> str:
    return f"bench-{number:05}"


async def lay_down(fleet: Fleet, store: TimeSeriesStore) -> None:
    """Into the store; the same readings again change nothing."""
    for batch in fleet.batches():
        await store.write([batch])


async def register(fleet: Fleet, data_dir: Path) -> None:
    """The devices with their newest values, in the file that an api keeps in `data_dir`."""
    now_ns = time.time_ns()
    engine = open_engine(f"sqlite+aiosqlite:///{data_dir / 'telemetrio.db'}")
    try:
        await upgrade(engine)
        names = [device_id(number) for number in range(fleet.devices)]
        same: dict[str, Any] = {"user_id": OWNER, "measurement": MEASUREMENT}
        newest = {"ts_ns": now_ns, "seen_ns": now_ns, "values": {"temperature": 1.5, "humidity": 2.5, "pressure": 3.5}}
        row = {"user_id": OWNER, "profile": "environment", "claimed": True, "disabled": False, "created_ns": now_ns}
        async with engine.begin() as connection:
            await ensure_local_admin(connection, now_ns)
            await connection.execute(insert(devices), [{"device_id": name, "name": name, **row} for name in names])
            lie = [{"device_id": name, **same, "since_ns": now_ns} for name in names]
            await connection.run_sync(add_measurements, lie)
            await connection.run_sync(push_latest, [{"device_id": name, **same, **newest} for name in names])
    finally:
        await engine.dispose()


def _batch(readings: list[Reading]) -> ReadingBatch:
    return ReadingBatch("bench", "e1", 1, 0, 0, readings[-1].ts_ns, readings)
