"""Commands inside one process: on their way like a message, and answered when they are on disk."""

import asyncio

import pytest

from services.api.errors import Away
from services.ingest.delivery import MAX_WAITING_BYTES, Delivery, Intake
from shared.commands import Command
from shared.topics import control_topic
from telemetrio import commander as commander_module
from telemetrio.commander import DirectCommander
from tests.fakes.ingest import turns

COMMAND = Command(command_id="command-1", action="discard", epoch="e", letters=(1,))


async def test_a_command_returns_when_it_is_acknowledged() -> None:
    """Not before: what it did is on disk then."""
    intake = Intake()
    asked = asyncio.create_task(DirectCommander(intake, "ingest").command("ingest", COMMAND))
    (delivery,) = await intake.take()
    ((topic, payload),) = delivery.messages
    assert topic == control_topic("ingest")
    assert Command.model_validate_json(payload) == COMMAND
    await turns()
    assert not asked.done()
    delivery.ack(1)
    await asked


async def test_a_command_for_another_worker_is_refused() -> None:
    """Letters of a file that no worker of this process has."""
    intake = Intake()
    with pytest.raises(Away, match="ingest-2"):
        await DirectCommander(intake, "ingest").command("ingest-2", COMMAND)
    assert len(intake) == 0


async def test_an_ingest_that_takes_nothing_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its disk may be full for hours."""
    monkeypatch.setattr(commander_module, "WITHIN_S", 0.01)
    with pytest.raises(Away, match="ask again"):
        await DirectCommander(Intake(), "ingest").command("ingest", COMMAND)


async def test_where_there_is_no_room_nothing_is_added(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks again and again must not fill the memory while ingest is blocked."""
    monkeypatch.setattr(commander_module, "WITHIN_S", 0.01)
    intake = Intake()
    intake.offer(Delivery([("iot/devices/d1/data", b"x" * MAX_WAITING_BYTES)], 1, print))
    for _ in range(3):
        with pytest.raises(Away, match="ask again"):
            await DirectCommander(intake, "ingest").command("ingest", COMMAND)
    assert len(intake) == 1
