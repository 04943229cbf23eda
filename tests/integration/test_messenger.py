"""The api's line to a real Mosquitto: what nobody hears or nobody may say is not taken for told."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.api import messenger as module
from services.api.errors import Away
from services.api.messenger import MAX_WAITING, Messenger
from shared.broker import Backoff, BrokerSettings
from shared.changes import ANY, Change
from shared.commands import Command
from shared.health import Health
from shared.topics import control_topic, registry_topic
from tests.peers.mosquitto import OPEN, Mosquitto
from tests.peers.mqtt import Client
from tests.peers.waiting import eventually_async

pytestmark = pytest.mark.peer("mosquitto")

COMMAND = Command(command_id="command-1", action="discard", epoch="e", letters=(1,))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "Backoff", lambda: Backoff(0.05, 0.2))


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as started:
        yield started


class Line:
    """A messenger that runs, and what it says of the broker."""

    def __init__(self, url: str) -> None:
        self.health = Health()
        self.messenger = Messenger(BrokerSettings(_env_file=None, mqtt_url=url), self.health)

    async def is_(self, state: str) -> None:
        async def look() -> bool:
            seen = self.health.snapshot().get("broker")
            return seen is not None and seen.state == state

        await eventually_async(look, 20)


@asynccontextmanager
async def running(url: str) -> AsyncIterator[Line]:
    line = Line(url)
    task = asyncio.create_task(line.messenger.run())
    try:
        yield line
    finally:
        task.cancel()
        await asyncio.wait([task])
        await Client.cut_all()


async def test_a_command_is_given_when_a_worker_will_hear_it(mosquitto: Mosquitto) -> None:
    """To one that listens; not to one that the broker never saw."""
    async with running(mosquitto.url) as line:
        await line.is_("ok")
        worker = await Client.connected(mosquitto.port, "w1")
        await worker.subscribe(control_topic("w1"))
        await line.messenger.command("w1", COMMAND)
        assert Command.model_validate_json((await worker.receive()).payload) == COMMAND
        with pytest.raises(Away, match="no ingest worker w2"):
            await line.messenger.command("w2", COMMAND)


async def test_changes_are_told_in_order_also_those_of_an_outage(mosquitto: Mosquitto) -> None:
    """They wait for the broker, each as it was; who says so never waits."""
    first, second = Change(kind="device", id="d1"), Change(kind="user", id=7)
    async with running(mosquitto.url) as line:
        await line.is_("ok")
        mosquitto.kill()
        await line.is_("down")
        line.messenger.changed(first)
        line.messenger.changed(second)
        with pytest.raises(Away, match="can't be reached"):
            await line.messenger.command("w1", COMMAND)
        line.messenger.changed()
        port = mosquitto.port
        mosquitto.start()
        worker = await Client.connected(port, "w1")
        await worker.subscribe(registry_topic())
        heard = [Change.model_validate_json((await worker.receive(20)).payload)]
        while heard[-1] != ANY:
            heard.append(Change.model_validate_json((await worker.receive(20)).payload))
        # the first ones may have gone out before somebody listened
        assert heard == [first, second, ANY][-len(heard) :]


async def test_too_many_changes_become_one(mosquitto: Mosquitto) -> None:
    """Memory is bounded, and what the one says is "look at everything"."""
    line = Line(mosquitto.url)
    for number in range(MAX_WAITING + 1):
        line.messenger.changed(Change(kind="device", id=f"d{number}"))
    worker = await Client.connected(mosquitto.port, "w1")
    await worker.subscribe(registry_topic())
    task = asyncio.create_task(line.messenger.run())
    try:
        assert Change.model_validate_json((await worker.receive(20)).payload) == ANY
    finally:
        task.cancel()
        await asyncio.wait([task])
        await Client.cut_all()


async def test_a_stop_in_the_middle_of_telling_is_heeded(mosquitto: Mosquitto) -> None:
    """Cancelled at the moment of any answer it ends, and does not go on for ever."""
    line = Line(mosquitto.url)
    for number in range(MAX_WAITING):
        line.messenger.changed(Change(kind="user", id=number))
    worker = await Client.connected(mosquitto.port, "w1")
    await worker.subscribe(registry_topic())
    task = asyncio.create_task(line.messenger.run())
    await worker.receive(20)
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=10)
    await Client.cut_all()
    assert done == {task}


async def test_a_broker_that_forbids_it_is_no_worker_that_heard_it(tmp_path: Path) -> None:
    """Its access list refuses: the caller is told to come back, and the log says what is the matter."""
    rules = tmp_path / "acl"
    rules.write_text(f"topic read {control_topic('w1')}\n")
    with Mosquitto(tmp_path, f"{OPEN}acl_file {rules}\n") as forbidding:
        async with running(forbidding.url) as line:
            await line.is_("ok")
            worker = await Client.connected(forbidding.port, "w1")
            await worker.subscribe(control_topic("w1"))
            with pytest.raises(Away, match="does not let"):
                await line.messenger.command("w1", COMMAND)
            line.messenger.changed()
            await line.is_("ok")
