"""Three processes with accounts on PostgreSQL: what a person sees live ends when the api says that it must."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import orjson
import pytest

from services.api.accounts.first import EMAIL
from tests.peers.api import ApiProcess
from tests.peers.fleet import Fleet
from tests.peers.plant import DATABASE, Plant
from tests.peers.postgres import Cluster
from tests.peers.realtime import RealtimeProcess
from tests.peers.waiting import eventually

pytestmark = [pytest.mark.peer("mosquitto", "influxd", "postgres"), pytest.mark.faults]

WITHIN_S = 10.0
WITHDRAWN_WITHIN_S = 2.0
ADMINS, HERS = "a sentence of the operator", "a sentence of her own"


class System(NamedTuple):
    """`admin`: the headers of somebody who may do everything."""

    plant: Plant
    api: ApiProcess
    realtime: RealtimeProcess
    admin: dict[str, str]

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        told = self.api.ask(method, path, body, port=0, **(headers or self.admin))
        assert told.status < 300, told
        return told.json if told.body else None


@pytest.fixture
def system(tmp_path: Path, cluster: Cluster) -> Iterator[System]:
    """With one secret, one database and one broker between them."""
    with ExitStack() as stack:
        plant = stack.enter_context(Plant(tmp_path, TELEMETRIO_DATABASE_URL=cluster.url))
        shared = {
            "TELEMETRIO_AUTH": "required",
            "TELEMETRIO_SECRET_KEY": secrets.token_urlsafe(48),
            "TELEMETRIO_DATABASE_URL": cluster.url,
            "TELEMETRIO_MQTT_URL": plant.broker.url,
            "TELEMETRIO_INFLUXDB_URL": plant.influx.url,
            "TELEMETRIO_INFLUXDB_BUCKET": DATABASE,
        }
        api = stack.enter_context(ApiProcess(tmp_path / "api", **shared))
        realtime = RealtimeProcess(tmp_path / "realtime", "realtime", **shared)
        stack.callback(realtime.stop)
        realtime.start()
        api.ready()
        eventually(lambda: realtime.dependency("feed") == "ok", 20)
        first = eventually(lambda: [line.split()[2] for line in api.log.splitlines() if line.startswith("login ")])[0]
        bearer = login(api, EMAIL, first)
        change = {"current_password": first, "new_password": ADMINS}
        assert api.ask("POST", "/api/v1/auth/password", change, port=0, **bearer).status == 204
        yield System(plant, api, realtime, login(api, EMAIL, ADMINS))


def login(api: ApiProcess, email: str, password: str) -> dict[str, str]:
    told = api.ask("POST", "/api/v1/auth/login", {"email": email, "password": password})
    assert told.status == 200, told
    return {"Authorization": f"Bearer {told.json['access_token']}"}


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
async def ann(system: System) -> AsyncIterator[Ann]:
    """With others' devices about, too."""
    person = {"email": "ann@example.org", "name": "Ann", "role": "user", "password": HERS}
    user_id = system.ask("POST", "/api/v1/users", {**person, "must_change_password": False})["id"]
    bearer = login(system.api, person["email"], HERS)
    fleet = system.plant.fleet(devices=2)
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


async def test_who_is_disabled_hears_nothing_two_seconds_later(system: System, ann: Ann) -> None:
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


async def test_a_device_that_was_taken_away_is_not_heard_two_seconds_later(system: System, ann: Ann) -> None:
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
