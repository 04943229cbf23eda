"""The intake: deliveries wait in order, and whoever reads from a socket waits when too many do."""

import asyncio

import pytest

from services.ingest.delivery import MAX_WAITING, MAX_WAITING_BYTES, Intake
from tests.fakes.ingest import delivery, turns


async def test_deliveries_are_taken_in_order_and_all_at_once() -> None:
    """What waits is taken; nothing is taken twice."""
    intake = Intake()
    taking = asyncio.create_task(intake.take())
    await turns()
    assert not taking.done()
    sent = [delivery("d1", {"a": number}) for number in range(3)]
    for each in sent:
        intake.offer(each)
    assert await taking == sent
    assert len(intake) == 0
    intake.offer(sent[0])
    assert await intake.take() == [sent[0]]


@pytest.mark.parametrize(("payload", "count"), [(b"", MAX_WAITING), (b"x" * 65_536, MAX_WAITING_BYTES // 65_536)])
async def test_at_the_bound_there_is_no_room_until_they_are_taken(payload: bytes, count: int) -> None:
    """By number and by bytes; offering never fails meanwhile."""
    intake = Intake()
    for _ in range(count - 1):
        intake.offer(delivery("d1", payload))
    async with asyncio.timeout(1):
        await intake.room()
    intake.offer(delivery("d1", payload))
    waiting = asyncio.create_task(intake.room())
    await turns()
    assert not waiting.done()
    intake.offer(delivery("d1", payload))
    assert len(await intake.take()) == count + 1
    async with asyncio.timeout(1):
        await waiting


async def test_a_cancelled_take_loses_nothing() -> None:
    """What arrives while a taker is cancelled waits for the next."""
    intake = Intake()
    taking = asyncio.create_task(intake.take())
    await turns()
    intake.offer(delivery("d1", {"a": 1}))
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    assert len(await intake.take()) == 1
