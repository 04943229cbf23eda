"""`telemetrio realtime` between a real broker, a real store, a real ingest and a client that comes back."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.peers.plant import DATABASE, Plant
from tests.peers.realtime import RealtimeProcess, Visitor
from tests.peers.waiting import eventually

pytestmark = [pytest.mark.peer("mosquitto"), pytest.mark.peer("influxd"), pytest.mark.faults]
COUNT = 1_500


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Plant]:
    with Plant(tmp_path) as opened:
        yield opened


@pytest.fixture
def replicas(plant: Plant) -> Iterator[list[RealtimeProcess]]:
    """Two of them, side by side."""
    with ExitStack() as stack:
        made = []
        for name in ("first", "second"):
            process = RealtimeProcess(
                plant.worker.data_dir,
                name,
                TELEMETRIO_MQTT_URL=plant.broker.url,
                TELEMETRIO_INFLUXDB_URL=plant.influx.url,
                TELEMETRIO_INFLUXDB_BUCKET=DATABASE,
                TELEMETRIO_COALESCE_MS="10",
            )
            stack.callback(process.stop)
            process.start()
            made.append(process)
        for process in made:
            eventually(partial(hears, process), 20)
        yield made


def hears(process: RealtimeProcess) -> bool:
    return process.dependency("feed") == "ok"


async def test_killed_in_the_middle_and_nothing_is_missed(plant: Plant, replicas: list[RealtimeProcess]) -> None:
    """A client that comes back with its cursor, to the same process and to another, has every reading in the end."""
    first, second = replicas
    visitor = Visitor()
    fleet = plant.fleet()
    staying = asyncio.create_task(visitor.visit(first.url, lambda: len(visitor.identities) >= COUNT // 3))

    # what is said before it has subscribed is not owed to it
    greeting = plant.fleet(devices=1)
    while visitor.cursor is None:
        await asyncio.to_thread(plant.publish, greeting, 1)
    sending = plant.publishing(fleet, COUNT, 300)
    await staying
    await asyncio.to_thread(first.kill)
    await asyncio.to_thread(first.start)

    def of_fleet() -> set[tuple[str, str]]:
        return {one for one in visitor.identities if one[0].startswith(f"{fleet.name}-")}

    # back to one that knows nothing of before: the store has it, or a gap says from where to ask again
    await visitor.visit(first.url, lambda: len(of_fleet()) >= COUNT * 2 // 3)
    # over to the one that has been there all the time: exactly what is missing
    before = visitor.got["history"].copy()
    await visitor.visit(second.url, lambda: len(of_fleet()) >= COUNT)
    await asyncio.wrap_future(sending)
    assert max((visitor.got["history"] - before).values(), default=1) == 1
    assert max(visitor.got["readings"].values()) == 1
    assert len(of_fleet()) == COUNT == len(fleet.acknowledged)
