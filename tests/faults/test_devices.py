"""Faults 12, 19 and 21: a device with a wrong clock, one that floods, one that attacks; the others notice nothing."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson
import pytest

from shared.database.engine import open_engine
from shared.database.migrations.upgrade import upgrade
from shared.database.tables import devices, users
from shared.readings import Reading
from shared.timeseries.influx import InfluxStore
from shared.timeseries.influxhttp import Target
from shared.timeseries.store import RawQuery
from tests.peers.mqtt import PUBACK, Client, publish
from tests.peers.plant import DATABASE, Plant
from tests.peers.waiting import eventually

pytestmark = [pytest.mark.peer("mosquitto"), pytest.mark.peer("influxd"), pytest.mark.faults]

VICTIM, ATTACKER = 2, 3
YEAR_NS = 365 * 86_400 * 10**9


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    """Two tenants have a device each: `theirs` and `evil`."""
    folder = tmp_path_factory.mktemp("plant")
    database = folder / "tenants.db"
    asyncio.run(two_tenants(database))
    with Plant(folder, TELEMETRIO_DATABASE_URL=f"sqlite:///{database}") as running:
        yield running


async def two_tenants(database: Path) -> None:
    engine = open_engine(f"sqlite+aiosqlite:///{database}")
    await upgrade(engine)
    own = {"profile": "environment", "created_ns": 0}
    async with engine.begin() as connection:
        for user_id, device_id in ((VICTIM, "theirs"), (ATTACKER, "evil")):
            await connection.execute(users.insert().values(id=user_id, name=device_id, created_ns=0))
            await connection.execute(
                devices.insert().values(device_id=device_id, name=device_id, user_id=user_id, **own)
            )
    await engine.dispose()


async def say(plant: Plant, device_id: str, *contents: object) -> None:
    """One device's messages, acknowledged by the broker."""
    client = await Client.connected(plant.broker.port, f"client-of-{device_id}")
    for number, content in enumerate(contents, 1):
        client.send(publish(f"iot/devices/{device_id}/data", orjson.dumps(content), 1, number))
        assert (await client.receive()).kind == PUBACK
    await Client.cut_all()


async def seen(plant: Plant, device_id: str, user_id: int) -> Sequence[Reading]:
    """What a tenant sees of a device."""
    store = InfluxStore(Target(plant.influx.url, "", "", DATABASE))
    page = await store.raw(RawQuery(device_id, [user_id], 0, 2**63 - 1, 1_000))
    await store.close()
    return page.readings


def settled(plant: Plant, received: int) -> None:
    def look() -> bool:
        books = plant.books()
        return books["received"] == received and not books["spooled"]

    eventually(look, 20)


async def test_a_device_that_claims_to_be_another_reaches_nobody(plant: Plant) -> None:
    """Fields named like tags, another's device_id, strings for numbers: the other tenant's data is as it was."""
    now_ns = time.time_ns()
    before = plant.books()
    await say(plant, "theirs", {"temperature": 20, "co2": 400, "ts": now_ns})
    await say(
        plant,
        "evil",
        {"temperature": 1, "user_id": VICTIM, "ts": now_ns},
        {"temperature": 2, "device_id": "theirs", "ts": now_ns},
        {"temperature": 3, "device_id": "evil", "user_id": "2", "time": now_ns + 1, "ts": now_ns},
        {"temperature": "hot", "co2": "much", "ts": now_ns + 2},
        {"co2__s": 5, "co2": True, "ts": now_ns + 3},
        {"temperature,user_id=2": 6, "ts": now_ns + 4},
        {"temperature": 7, "text": "x,user_id=2 temperature=9\nsensor_data,device_id=theirs v=1", "ts": now_ns + 5},
    )
    await say(plant, "theirs", {"temperature": 21, "co2": 401, "ts": now_ns + 10})
    await asyncio.to_thread(settled, plant, before["received"] + 9)
    theirs = await seen(plant, "theirs", VICTIM)
    assert [(each.ts_ns, each.values) for each in theirs] == [
        (now_ns, {"temperature": 20.0, "co2": 400.0}),
        (now_ns + 10, {"temperature": 21.0, "co2": 401.0}),
    ]
    assert await seen(plant, "evil", VICTIM) == []
    assert await seen(plant, "theirs", ATTACKER) == []
    own = await seen(plant, "evil", ATTACKER)
    assert {(each.device_id, each.user_id) for each in own} == {("evil", ATTACKER)}
    assert {name for each in own for name in each.values} == {"temperature", "co2", "text"}
    assert plant.books()["dead_lettered"] - before["dead_lettered"] == 2


async def test_a_wrong_clock_is_refused_or_understood(plant: Plant) -> None:
    """1970 and ten years ahead are dead letters; one moment in s, ms, µs, ns and ISO 8601 is one point."""
    moment_s = int(time.time()) - 100
    before = plant.books()
    times = [moment_s, moment_s * 1_000, moment_s * 10**6, moment_s * 10**9]
    wrong = [0, 12_345, moment_s * 10**9 + 10 * YEAR_NS, moment_s + 400 * 86_400, -5]
    contents = [{"temperature": 20 + place, "ts": ts} for place, ts in enumerate([*times, *wrong])]
    text = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(moment_s))
    await say(plant, "clock", *contents, {"temperature": 30, "ts": text})
    await asyncio.to_thread(settled, plant, before["received"] + len(contents) + 1)
    (reading,) = await seen(plant, "clock", 1)
    assert (reading.ts_ns, reading.values) == (moment_s * 10**9, {"temperature": 30.0})
    assert plant.books()["dead_lettered"] - before["dead_lettered"] == len(wrong)


def test_a_flood_from_one_device_drowns_nobody(plant: Plant) -> None:
    """While one sends 20,000 messages as fast as it can, every message of ten others is stored, and so are its own."""
    flood, others = plant.fleet(devices=1), plant.fleet()
    flooding = plant.publishing(flood, 20_000)
    plant.publish(others, 500, 250)
    flooding.result(120)
    plant.stored_once(others)
    plant.stored_once(flood)
