"""Who hears what at the embedded broker with `auth = required`: real keys of a real API, over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

import pytest

from services.api.resources import KEY
from services.ingest.delivery import Intake
from telemetrio.embedded import EmbeddedBroker, Hearing
from telemetrio.keyring import Keyring
from tests.integration.accounts_rig import ADMIN, ANN, Accounts, required
from tests.peers.mqtt import CONNACK, PUBLISH, Client, connect, publish
from tests.peers.waiting import eventually_async

REFUSED = 0x80


class Place:
    """Accounts and a broker that share tables. Device `a` is Ann's, `b` is Bob's."""

    def __init__(self, rig: Accounts, broker: EmbeddedBroker, owners: dict[str, int]) -> None:
        self.rig, self.broker, self.owners = rig, broker, owners
        self.probes = count()

    async def key(self, email: str, *scopes: str) -> str:
        """A new one, known to the broker if it opens anything there."""
        key = await self.rig.key(await self.rig.token(email), *scopes)
        if "live" in scopes:
            await self.until(0, key)
        return key

    async def code(self, client_id: str, password: str, username: str = "key") -> int:
        client = await Client.open(self.broker.ports[0])
        client.send(connect(client_id, username=username, password=password))
        answer = await client.receive()
        assert answer.kind == CONNACK
        return answer.body[1]

    async def until(self, code: int, *shown: str) -> None:
        """The broker has read the tables again."""

        async def answered() -> bool:
            return await self.code(f"probe {next(self.probes)}", *shown) == code

        await eventually_async(answered)

    async def listener(self, key: str, client_id: str, *, clean: bool = True) -> Client:
        where = self.broker.ports[0]
        return await Client.connected(where, client_id, username="key", password=key, clean=clean)

    async def say(self, *topics: str) -> None:
        for topic in topics:
            await self.broker.publish(topic, topic.encode())


async def heard(client: Client, last: str) -> list[str]:
    """What arrives, up to `last`."""
    found: list[str] = []
    while not found or found[-1] != last:
        message = await client.receive()
        assert message.kind == PUBLISH
        found.append(message.body[2 + int.from_bytes(message.body[:2], "big") :].decode())
    return found


@asynccontextmanager
async def placed(folder: Path) -> AsyncIterator[Place]:
    owners = {"a": 2, "b": 3}
    async with required(folder) as rig:
        broker = EmbeddedBroker(Intake(), hosts=["127.0.0.1"], port=0)
        broker.hearing = Hearing(owners.get)
        keyring = Keyring(rig.api.engine, broker)
        given = rig.api.app.extensions
        given[KEY] = replace(given[KEY], registry_changed=lambda *_: keyring.refresh())
        await keyring.load()
        await broker.start()
        running = asyncio.create_task(keyring.run())
        yield Place(rig, broker, owners)
        running.cancel()
        await asyncio.wait([running])
        await Client.cut_all()
        await broker.stop()


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with placed(tmp_path) as made:
        yield made


async def test_nobody_hears_anything_without_a_login(place: Place) -> None:
    """Anybody on the machine may connect, to speak for devices that have no credentials; no filter is granted."""
    stranger = await Client.connected(place.broker.ports[0], "stranger")
    for topic_filter in ("#", "iot/devices/+/data", "iot/devices/a/errors", "elsewhere"):
        assert await stranger.subscribe(topic_filter) == REFUSED
    await place.say("iot/devices/a/data")
    await stranger.ping()


async def test_a_user_hears_their_own_devices_by_a_key_for_live(place: Place) -> None:
    """Whatever they subscribe to; an administrator's key with scope admin hears everything."""
    ann = await place.listener(await place.key(ANN, "live"), "ann")
    admin = await place.listener(await place.key(ADMIN, "live", "admin"), "admin")
    plain = await place.listener(await place.key(ADMIN, "live"), "plain")
    await place.broker.publish("iot/devices/b/status", b"kept b", retain=True)
    await place.broker.publish("iot/devices/a/status", b"kept a", retain=True)
    for client in (ann, admin, plain):
        assert await client.subscribe("#") == 0
    said = ["iot/devices/b/data", "elsewhere", "iot/devices/a", "iot/devices/a/data", "iot/devices/a/errors"]
    await place.say(*said)
    assert await heard(ann, said[-1]) == ["kept a", *said[-2:]]
    assert await heard(admin, said[-1]) == ["kept b", "kept a", *said]
    await plain.ping()
    place.owners.update(a=3, b=2)
    await place.say("iot/devices/a/data", "iot/devices/b/data")
    assert await heard(ann, "iot/devices/b/data") == ["iot/devices/b/data"]


async def test_a_key_that_opens_nothing_is_refused(place: Place) -> None:
    """Unknown, without scope live, expired, or of somebody who must change the password first."""
    assert await place.code("c1", "tk_unknown") == 5
    assert await place.code("c2", await place.key(ANN, "read", "write")) == 5
    key = await place.key(ANN, "live")
    admin = await place.rig.token(ADMIN)
    change = {"password": "another sentence"}
    assert (await place.rig.ask("PUT", "/api/v1/users/2/password", admin, json=change)).status == 204
    await place.until(5, key)


async def test_a_key_that_is_revoked_hears_no_more(place: Place) -> None:
    """Its connection ends, and a session that it left behind is nobody else's."""
    token = await place.rig.token(ANN)
    key = await place.key(ANN, "live")
    kept = await place.listener(key, "kept", clean=False)
    await kept.subscribe("#")
    kept.cut()
    stranger = await Client.open(place.broker.ports[0])
    stranger.send(connect("kept", clean=False))
    assert (await stranger.receive()).body[1] == 5
    open_one = await place.listener(key, "open")
    for found in (await place.rig.get("/api/v1/api-keys", token)).json:
        assert (await place.rig.ask("DELETE", f"/api/v1/api-keys/{found['id']}", token)).status == 204
    with pytest.raises(EOFError):
        await open_one.receive()
    await place.until(5, key)


async def test_a_device_hears_itself_with_its_credentials(place: Place) -> None:
    """Where one must log in, too; and nobody publishes a password away by subscribing under its name."""
    await place.rig.api.add_devices("a", user_id=2)
    made = await place.rig.post("/api/v1/devices/a/credentials", {"name": "x"}, await place.rig.token(ANN))
    password = made.json["password"]
    await place.until(5, "wrong", "a")
    device = await Client.connected(place.broker.ports[0], "device", username="a", password=password)
    assert await device.subscribe("iot/devices/a/commands") == 0
    assert await device.subscribe("iot/devices/b/commands") == await device.subscribe("#") == REFUSED
    await place.say("iot/devices/a/commands")
    assert await heard(device, "iot/devices/a/commands") == ["iot/devices/a/commands"]
    device.send(publish("iot/devices/b/data", b"{}", 1))
    with pytest.raises(EOFError):
        await device.receive()
