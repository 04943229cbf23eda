"""Three processes with accounts on PostgreSQL: what a person sees live ends when the api says that it must."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from typing import NamedTuple

import aiohttp
import orjson
import pytest

from tests.peers.fleet import Fleet
from tests.peers.postgres import Cluster
from tests.peers.trio import Trio, trio

pytestmark = [pytest.mark.peer("mosquitto", "influxd", "postgres"), pytest.mark.faults]

WITHIN_S = 10.0
WITHDRAWN_WITHIN_S = 2.0
HERS = "a sentence of her own"


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, shared_cluster: Cluster) -> Iterator[Trio]:
    """One for all: it takes longer to start than each of them."""
    with trio(tmp_path_factory.mktemp("trio"), asyncio.run(shared_cluster.fresh())) as running:
        yield running


class Ann(NamedTuple):
    """A user who listens, with a fleet of two devices, both hers."""

    user_id: int
    fleet: Fleet
    live: aiohttp.ClientWebSocketResponse

    @property
    def devices(self) -> tuple[str, str]:
        return f"{self.fleet.name}-0", f"{self.fleet.name}-1"

    async def frame(self) -> aiohttp.WSMessage:
        return await self.live.receive(WITHIN_S)

    async def told(self) -> set[str]:
        """Whose readings came with the next frame that has any; the connection must be open."""
        while (message := orjson.loads((await self.frame()).data))["type"] != "readings":
            pass
        return {one["device_id"] for one in message["readings"]}


@pytest.fixture
async def ann(system: Trio) -> AsyncIterator[Ann]:
    """With others' devices about, too."""
    fleet = system.plant.fleet(devices=2)
    email = f"{fleet.name}@example.org"
    user_id = system.add_user(email, HERS)
    bearer = system.login(email, HERS)
    for device in (f"{fleet.name}-0", f"{fleet.name}-1"):
        system.ask("POST", "/api/v1/devices", {"device_id": device, "name": device}, **bearer)
    ticket = system.ask("POST", "/api/v1/live/ticket", {"purpose": "ws"}, **bearer)["ticket"]
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{system.realtime.url}/ws?ticket={ticket}") as live,
    ):
        await live.send_str('{"type":"subscribe","id":1,"devices":"*"}')
        while orjson.loads((await live.receive(WITHIN_S)).data)["type"] != "snapshot":
            pass
        yield Ann(user_id, fleet, live)


async def test_who_is_disabled_hears_nothing_two_seconds_later(system: Trio, ann: Ann) -> None:
    """While readings come in all the time: hers reach her and nobody else's do, then none, and close code 4401."""
    others = system.plant.fleet()
    sending = [system.plant.publishing(fleet, 400, 100) for fleet in (ann.fleet, others)]
    assert await ann.told() <= set(ann.devices)
    await asyncio.to_thread(system.ask, "PATCH", f"/api/v1/users/{ann.user_id}", {"disabled": True})
    begun = time.monotonic()
    while (frame := await ann.frame()).type is aiohttp.WSMsgType.TEXT:
        shown = {one["device_id"] for one in orjson.loads(frame.data).get("readings", ())}
        assert shown <= set(ann.devices)
    assert (frame.type, frame.data) == (aiohttp.WSMsgType.CLOSE, 4401)
    assert time.monotonic() - begun < WITHDRAWN_WITHIN_S
    for each in sending:
        await asyncio.wrap_future(each)


async def test_a_device_that_was_taken_away_is_not_heard_two_seconds_later(system: Trio, ann: Ann) -> None:
    """It went to another owner: the stream goes on with what is left, and the device itself with its new owner."""
    sending = system.plant.publishing(ann.fleet, 500, 100)
    taken, left = ann.devices
    while taken not in await ann.told():
        pass
    owner = system.ask("GET", "/api/v1/auth/me")["id"]
    await asyncio.to_thread(system.ask, "PATCH", f"/api/v1/devices/{taken}", {"user_id": owner})
    begun = last = time.monotonic()
    while time.monotonic() - begun < 2 * WITHDRAWN_WITHIN_S - 1:
        shown = await ann.told()
        if taken in shown:
            last = time.monotonic()
        assert left in shown or taken in shown
    assert last - begun < WITHDRAWN_WITHIN_S
    await asyncio.wrap_future(sending)
