"""Many clients with accounts while their realtime restarts: all come back, and the api hardly notices."""

import asyncio
import math
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from shared.times import iso_ns
from telemetrio.bench import usage
from tests.peers.api import ApiProcess
from tests.peers.crowd import TICKET_GOOD_S, Crowd, Member
from tests.peers.postgres import Cluster
from tests.peers.trio import Trio, trio
from tests.peers.waiting import eventually_async

pytestmark = [pytest.mark.peer("mosquitto", "influxd", "postgres"), pytest.mark.faults]

CLIENTS_PER_USER = 40
RATE = 10
# on two idle cores a thousand are back after a tenth of it: docs/performance.md
BACK_WITHIN_S = 120.0
PASSWORD = "a sentence of the crowd"  # noqa: S105 - of a server that lives as long as one test


@pytest.fixture
def system(tmp_path: Path, cluster: Cluster) -> Iterator[Trio]:
    with trio(tmp_path, cluster.url) as running:
        yield running


@asynccontextmanager
async def gathered(system: Trio, clients: int) -> AsyncIterator[Crowd]:
    """Of several users, each of whom may see everything; all are in, and each has a cursor."""
    people = [f"user{number}@example.org" for number in range(math.ceil(clients / CLIENTS_PER_USER))]
    for email in people:
        await asyncio.to_thread(system.add_user, email, PASSWORD, "admin")
    bearers = [await asyncio.to_thread(system.login, email, PASSWORD) for email in people]
    crowd = Crowd(system.realtime.url, system.api.url, (bearers * CLIENTS_PER_USER)[:clients])
    begun = time.monotonic()
    async with crowd:
        await all_of(crowd, settled)
        print(f"{clients} clients with a ticket each were in after {time.monotonic() - begun:.1f} s")  # noqa: T201
        await asyncio.to_thread(system.plant.publish, system.plant.fleet(devices=1), 1)
        await all_of(crowd, lambda member: member.place is not None)
        yield crowd


async def all_of(crowd: Crowd, fit: Callable[[Member], bool]) -> None:
    """Return when each of them is as it shall be."""

    async def look() -> bool:
        return all(map(fit, crowd.members))

    try:
        await eventually_async(look, BACK_WITHIN_S)
    except AssertionError as error:
        raise AssertionError(f"{sum(map(fit, crowd.members))} of {len(crowd.members)} only: {crowd}") from error


def settled(member: Member) -> bool:
    return member.whole


def complete(member: Member, wanted: set[str]) -> bool:
    return wanted <= {moment for _, moment in member.have}


def requests(api: ApiProcess) -> Counter[str]:
    """Answered so far, by route."""
    lines = re.findall(r'^telemetrio_api_requests_total\{.*?route="(.*?)".*\} (\S+)$', api.metrics, re.MULTILINE)
    return sum((Counter({route: int(float(count))}) for route, count in lines), Counter())


LONG = pytest.mark.long


@pytest.mark.parametrize(
    ("clients", "end", "count"),
    [
        (80, "stopped", 120),
        pytest.param(1_000, "stopped", 300, marks=LONG),
        pytest.param(1_000, "killed", 300, marks=LONG),
    ],
)
async def test_a_thousand_clients_outlive_their_realtime(system: Trio, clients: int, end: str, count: int) -> None:
    """All are back with every reading, and what came live came once. The api is asked for tickets alone."""
    async with gathered(system, clients) as crowd:
        fleet = system.plant.fleet(ago_s=0)
        sending = system.plant.publishing(fleet, count, RATE)
        await all_of(crowd, lambda member: len(member.live) > 3 * RATE)
        asked, away_s = await restarted(system, crowd, end)
        await asyncio.wrap_future(sending)
        wanted = {iso_ns(ts_ns) for ts_ns in fleet.acknowledged}
        assert len(wanted) == count
        await all_of(crowd, lambda member: complete(member, wanted))
        assert max(max(member.live.values()) for member in crowd.members) == 1
        assert crowd.errors == []
    assert asked.keys() == {"/api/v1/live/ticket"}
    assert clients <= asked["/api/v1/live/ticket"] <= clients * (2 + away_s / TICKET_GOOD_S)


async def restarted(system: Trio, crowd: Crowd, end: str) -> tuple[Counter[str], float]:
    """Return when all are back: what the api was asked meanwhile, by route, and for how long they were away."""
    before, spent = requests(system.api), usage(system.api.pid).cpu_s
    begun = time.monotonic()
    await asyncio.to_thread(system.realtime.stop if end == "stopped" else system.realtime.kill)
    await asyncio.to_thread(system.realtime.start)
    away_s, begun = time.monotonic() - begun, time.monotonic()
    await all_of(crowd, settled)
    back_s, cpu_s = time.monotonic() - begun, usage(system.api.pid).cpu_s - spent
    asked = requests(system.api) - before
    print(f"away for {away_s:.1f} s, all back {back_s:.1f} s later; api: {cpu_s:.1f} s of CPU for {dict(asked)}")  # noqa: T201
    return asked, away_s + back_s
