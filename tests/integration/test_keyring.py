"""Credentials of devices at the embedded broker: made by a real API, kept in a real table, shown over real sockets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from services.api.resources import KEY
from services.ingest.delivery import Intake
from shared.database.credentials import known_credentials, mark_used
from shared.database.engine import open_engine
from telemetrio.embedded import EmbeddedBroker
from telemetrio.keyring import Keyring
from tests.integration.api_rig import Api, opened
from tests.peers.mqtt import CONNACK, PUBACK, Client, Will, connect, publish
from tests.peers.waiting import eventually_async

PATH = "/api/v1/devices/d1/credentials"
DATA = "iot/devices/d1/data"


class Place:
    """An API and a broker that share a table, and what ingest was offered."""

    def __init__(self, api: Api, broker: EmbeddedBroker, intake: Intake) -> None:
        self.api, self.broker, self.intake = api, broker, intake

    async def password(self, name: str = "a") -> str:
        """A new one, known to the broker."""
        made = await self.api.post(PATH, {"name": name})
        assert made.status == 201, made.json
        password: str = made.json["password"]

        async def known() -> bool:
            try:
                return self.broker.credentials.identify("d1", password.encode()) is not None
            except PermissionError:
                return False

        await eventually_async(known)
        self.broker.credentials.used_ns.clear()
        return password

    async def code(self, client_id: str, username: str | None = None, password: str | None = None) -> int:
        client = await Client.open(self.broker.ports[0])
        client.send(connect(client_id, username=username, password=password))
        answer = await client.receive()
        assert answer.kind == CONNACK
        return answer.body[1]

    async def device(self, password: str, client_id: str = "device") -> Client:
        return await Client.connected(self.broker.ports[0], client_id, username="d1", password=password)

    async def offered(self) -> int:
        return len(self.intake)

    async def alone(self) -> bool:
        return self.broker.stats().connections == 0

    async def topics(self) -> list[str]:
        """Of all that ingest was offered until now; it is on disk then."""
        async with asyncio.timeout(5):
            deliveries = await self.intake.take() if len(self.intake) else []
        for each in deliveries:
            each.ack(len(each.messages))
        return [topic for each in deliveries for topic, _ in each.messages]


@asynccontextmanager
async def placed(folder: Path) -> AsyncIterator[Place]:
    intake = Intake()
    async with opened(folder) as api:
        await api.add_devices("d1", "d2")
        broker = EmbeddedBroker(intake, hosts=["127.0.0.1"], port=0)
        keyring = Keyring(api.engine, broker)
        api.app.extensions[KEY] = replace(api.app.extensions[KEY], registry_changed=lambda *_: keyring.refresh())
        await keyring.load()
        await broker.start()
        running = asyncio.create_task(keyring.run())
        yield Place(api, broker, intake)
        running.cancel()
        await asyncio.wait([running])
        await Client.cut_all()
        await broker.stop()


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    async with placed(tmp_path) as made:
        yield made


async def test_a_device_with_credentials_must_present_one(place: Place) -> None:
    """The right password gets in, a wrong one and none with its name do not; others are not concerned."""
    assert await place.code("c1") == 0
    password = await place.password()
    assert await place.code("c2", "d1", password) == 0
    for wrong in (password[:-1], "", None):
        assert await place.code("c3", "d1", wrong) == 5
    assert await place.code("c4") == await place.code("c5", "d2") == await place.code("c6", "stranger", "x") == 0


async def test_nobody_speaks_for_a_device_without_its_password(place: Place) -> None:
    """Such a message ends the connection unacknowledged, so that it is not lost; the device's own arrives."""
    stranger = await Client.connected(place.broker.ports[0], "stranger")
    password = await place.password()
    stranger.send(publish(DATA, b"{}", 1))
    with pytest.raises(EOFError):
        await stranger.receive()
    assert await place.topics() == []
    device = await place.device(password)
    device.send(publish(DATA, b"{}", 1))
    await eventually_async(place.offered)
    assert await place.topics() == [DATA]
    assert (await device.receive()).kind == PUBACK


async def test_what_was_refused_at_qos_2_is_taken_once_it_may_be_said(place: Place) -> None:
    """Sent again in the same session, now with the password: it is ingested and answered, and so is what follows."""
    device = await Client.connected(place.broker.ports[0], "device", clean=False)
    password = await place.password()
    device.send(publish(DATA, b"{}", 2, 7))
    with pytest.raises(EOFError):
        await device.receive()
    device = await Client.connected(place.broker.ports[0], "device", clean=False, username="d1", password=password)
    device.send(publish(DATA, b"{}", 2, 7) + publish(DATA, b"{}", 1, 8))
    await device.ping()
    assert await place.topics() == [DATA, DATA]
    assert [(await device.receive()).packet_id for _ in range(2)] == [7, 8]


async def test_a_device_speaks_and_hears_as_itself_alone(place: Place) -> None:
    """Its password opens no other device's topics."""
    device = await place.device(await place.password())
    assert await device.subscribe("iot/devices/#") == await device.subscribe("iot/devices/d2/errors") == 0x80
    assert await device.subscribe("iot/devices/d1/errors") == 0
    device.send(publish("iot/devices/d2/data", b"{}", 1))
    with pytest.raises(EOFError):
        await device.receive()
    assert await place.topics() == []


async def test_a_last_will_needs_them_too(place: Place) -> None:
    """A stranger's will about the device goes nowhere."""
    await place.password()
    will = Will("iot/devices/d1/status", b"offline", 1)
    stranger = await Client.connected(place.broker.ports[0], "stranger", will=will)
    stranger.cut()
    await eventually_async(place.alone)
    assert await place.topics() == []
    assert place.broker.stats().refused == 1


async def test_nobody_takes_a_devices_session_over(place: Place) -> None:
    """A stranger with its client id is refused, and the device notices nothing."""
    device = await place.device(await place.password())
    assert await place.code("device") == await place.code("device", "d2") == 5
    await device.ping()


async def test_a_revoked_credential_is_out_at_once(place: Place) -> None:
    """Its connection ends, and it gets in no more; another one of the same device goes on."""
    first, second = await place.password("first"), await place.password("second")
    old, new = await place.device(first, "old"), await place.device(second, "new")
    assert (await place.api.ask("DELETE", f"{PATH}/first")).status == 204
    with pytest.raises(EOFError):
        await old.receive()
    assert await place.code("old", "d1", first) == 5
    await new.ping()


async def test_a_device_stays_closed_when_its_last_credential_is_revoked(place: Place) -> None:
    """Nobody speaks for it, nor comes in under its name, until it has a new one."""
    password = await place.password()
    device = await place.device(password)
    assert (await place.api.ask("DELETE", f"{PATH}/a")).status == 204
    with pytest.raises(EOFError):
        await device.receive()
    assert await place.code("c1", "d1", password) == await place.code("c2", "d1") == 5
    stranger = await Client.connected(place.broker.ports[0], "stranger")
    stranger.send(publish(DATA, b"{}", 1))
    with pytest.raises(EOFError):
        await stranger.receive()
    assert await place.topics() == []
    assert await place.code("c3", "d1", await place.password("b")) == 0


async def test_the_list_tells_when_each_was_used(place: Place) -> None:
    """As soon as the table is read again."""
    password = await place.password()
    assert await place.code("c", "d1", password) == 0
    await place.api.post(PATH, {"name": "another"})

    async def told() -> bool:
        return [each["last_used_at"] is not None for each in (await place.api.get(PATH)).json] == [True, False]

    await eventually_async(told)


async def test_what_was_revoked_meanwhile_is_no_longer_marked(place: Place) -> None:
    """A credential that is gone by the time it is written down costs the others nothing."""
    await place.password()
    async with place.api.engine.begin() as connection:
        ((device_id, key, kept),) = await known_credentials(connection)
        await mark_used(connection, {key: 7, key + 1: 8})
    assert (device_id, kept[:5]) == ("d1", "$7$1$")
    assert await place.api.rows("SELECT last_used_ns FROM device_credentials") == [(7,)]


async def test_what_was_used_while_the_database_was_away_is_told_later(place: Place, tmp_path: Path) -> None:
    """It is written down by the next time that the table can be read."""
    password = await place.password()
    away = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'no tables.db'}")
    assert await place.code("c", "d1", password) == 0
    with pytest.raises(OperationalError):
        await Keyring(away, place.broker).load()
    await away.dispose()
    await Keyring(place.api.engine, place.broker).load()
    ((used_ns,),) = await place.api.rows("SELECT last_used_ns FROM device_credentials")
    assert used_ns > 0
