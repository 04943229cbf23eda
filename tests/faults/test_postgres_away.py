"""PostgreSQL away at the start, for a while, again and again: telemetry goes on with the copy, and it is told later."""

import asyncio
import itertools
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Executable, insert, select

from shared.books import COLUMNS
from shared.database.engine import open_engine
from shared.database.migrations.upgrade import upgrade
from shared.database.registry import ensure_local_admin, save_profile
from shared.database.tables import dead_letters, devices, ingest_books, latest
from shared.profiles import Profile
from tests.peers.postgres import Cluster
from tests.peers.site import Site
from tests.peers.waiting import eventually

pytestmark = [pytest.mark.peer("mosquitto", "postgres"), pytest.mark.faults]

BOILER = Profile(name="boiler", measurement="boiler_data")
TOPIC = "iot/devices/known/data"
_TIMES = itertools.count(time.time_ns() - 3_600 * 10**9, 1_000_003)


def samples(count: int) -> list[bytes]:
    return [b'{"bar": 1, "timestamp": %d}' % next(_TIMES) for _ in range(count)]


async def fill(url: str) -> None:
    """One device of a profile that only the database has."""
    engine = open_engine(url)
    await upgrade(engine)
    async with engine.begin() as connection:
        await ensure_local_admin(connection, 0)
        await save_profile(connection, BOILER, 0)
        row = {"name": "known", "user_id": 1, "profile": "boiler", "disabled": False, "created_ns": 0}
        await connection.execute(insert(devices), {"device_id": "known", **row})
    await engine.dispose()


async def ask(url: str, question: Executable) -> list[Any]:
    engine = open_engine(url)
    async with engine.connect() as connection:
        rows = list(await connection.execute(question))
    await engine.dispose()
    return rows


@pytest.fixture
def site(cluster: Cluster, tmp_path: Path) -> Iterator[Site]:
    """Not started yet; PostgreSQL is, and knows one device."""
    asyncio.run(fill(cluster.url))
    made = Site(tmp_path, TELEMETRIO_DATABASE_URL=cluster.url)
    yield made
    made.stop()


def all_told(site: Site, url: str) -> None:
    """What the relational database shows is what the worker says, as a whole."""

    def told() -> bool:
        books = site.worker.get("/books")
        rows = asyncio.run(ask(url, select(ingest_books)))
        return books["spooled"] == 0 and [{name: getattr(row, name) for name in COLUMNS} for row in rows] == [
            {name: books[name] for name in COLUMNS}
        ]

    eventually(told, 30)

    def lettered() -> bool:  # they go in slices, behind the books
        rows = asyncio.run(ask(url, select(dead_letters.c.entries)))
        return sum(int(row.entries) for row in rows) == site.book("dead_lettered")

    eventually(lettered, 20)
    (newest,) = asyncio.run(ask(url, select(latest)))
    assert (newest.device_id, newest.measurement, newest.ts_ns) == site.stored()[-1]
    eventually(lambda: site.worker.dependency("database") == "ok", 10)


def test_a_first_contact_without_postgresql_loses_nothing(site: Site, cluster: Cluster) -> None:
    """Who a device is can't be known yet: its messages are kept, acknowledged, and judged when it can be asked."""
    cluster.stop()
    site.start()
    site.say(TOPIC, *samples(20), b"not json")
    site.say("iot/devices/stranger/data", b'{"bar": 1}')
    site.books(received=22, spooled=22)
    assert site.worker.get("/readyz")["ready"]
    assert site.worker.dependency("database") == "down"
    site.worker.kill()
    site.worker.start()
    site.ready()
    site.books(received=22, spooled=22)
    cluster.start()
    site.books(stored=20, dead_lettered=2, spooled=0)
    assert {row[:2] for row in site.stored()} == {("known", "boiler_data")}
    all_told(site, cluster.url)


def test_an_outage_of_postgresql_costs_nothing(site: Site, cluster: Cluster, *, faults_long: bool) -> None:
    """Crashed under way, down while ingest is killed and starts again, and back: each is stored once, and told."""
    site.start()
    site.say(TOPIC, *samples(20))
    site.books(stored=20)
    sent, lasts_s = 20, 600.0 if faults_long else 2.0
    cluster.stop()
    until_s = time.monotonic() + lasts_s
    while time.monotonic() < until_s:
        site.say(TOPIC, *samples(10), b"not json")
        sent += 10
    site.worker.kill()
    site.worker.start()
    site.ready()
    site.say(TOPIC, *samples(20))
    sent += 20
    eventually(lambda: len(site.stored()) == sent, 20)  # the books may count one twice that was killed unacknowledged
    site.books(spooled=0)
    assert site.worker.dependency("database") == "down"
    cluster.start()
    all_told(site, cluster.url)
    assert len(site.stored()) == sent


@pytest.mark.long
def test_postgresql_may_restart_again_and_again(site: Site, cluster: Cluster) -> None:
    """Pushes are cut off anywhere: none is told by half, none twice."""
    site.start()
    sent = 0
    for _ in range(4):
        for _ in range(5):
            site.say(TOPIC, *samples(10), b"not json")
            sent += 10
        cluster.stop()
        site.say(TOPIC, *samples(10))
        sent += 10
        cluster.start()
    site.books(stored=sent, dead_lettered=20, spooled=0)
    all_told(site, cluster.url)
