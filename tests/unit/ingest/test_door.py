"""The way to the store, with time in the test's hands: who asks when."""

import asyncio

import pytest

from services.ingest.door import Door
from shared.health import Health
from shared.timeseries.store import Unavailable
from tests.fakes.ingest import turns


class Hours:
    """In the place of sleep: each pause ends when the test says so."""

    def __init__(self) -> None:
        self.pauses: list[float] = []
        self.over = asyncio.Semaphore(0)

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await self.over.acquire()


class Request:
    """One write, whose answer the test gives."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def __call__(self) -> str:
        self.asked += 1
        try:
            return await self.answer
        finally:
            self.answer = asyncio.get_running_loop().create_future()

    async def fails(self, retry_after_s: float | None = None) -> None:
        self.answer.set_exception(Unavailable("no", retry_after_s))
        await turns()

    async def succeeds(self) -> None:
        self.answer.set_result("stored")
        await turns()


@pytest.fixture
def hours(monkeypatch: pytest.MonkeyPatch) -> Hours:
    replaced, give_way = Hours(), asyncio.sleep

    async def sleep(seconds: float) -> None:
        await (replaced.pause(seconds) if seconds else give_way(0))

    monkeypatch.setattr("services.ingest.door.asyncio.sleep", sleep)
    monkeypatch.setattr("services.ingest.door.random.uniform", lambda _low, high: high)
    return replaced


async def test_an_old_answer_does_not_end_an_outage(hours: Hours) -> None:
    """A write that began before it and was stored proves nothing; only the one that knocks opens the door."""
    health = Health()
    door = Door(health)
    old, first, new = Request(), Request(), Request()
    tasks = [asyncio.create_task(door.through(each)) for each in (old, first)]
    await turns()
    await first.fails()
    await old.succeeds()
    tasks.append(asyncio.create_task(door.through(new)))
    await turns()
    assert (first.asked, new.asked, health["store"].state) == (1, 0, "down")
    hours.over.release()
    await turns()
    await first.succeeds()
    assert (first.asked, new.asked, health["store"].state) == (2, 1, "ok")
    await new.succeeds()
    assert await asyncio.gather(*tasks) == ["stored"] * 3


async def test_several_failures_at_once_are_one_step_of_the_backoff(hours: Hours) -> None:
    """Four writes were under way: the first knock comes after a second, not after eight."""
    door = Door(Health())
    requests = [Request() for _ in range(4)]
    tasks = [asyncio.create_task(door.through(each)) for each in requests]
    await turns()
    for each in requests:
        await each.fails()
    assert hours.pauses == [1.0]
    hours.over.release()
    await turns()
    await requests[0].fails()
    assert hours.pauses == [1.0, 2.0]
    assert [each.asked for each in requests] == [2, 1, 1, 1]
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def test_a_later_outage_begins_with_a_short_wait(hours: Hours) -> None:
    """However long the one before was."""
    door, request = Door(Health()), Request()
    for _ in range(2):
        task = asyncio.create_task(door.through(request))
        await turns()
        for _ in range(3):
            await request.fails()
            hours.over.release()
            await turns()
        await request.succeeds()
        assert await task == "stored"
    assert hours.pauses == [1.0, 2.0, 4.0] * 2


@pytest.mark.parametrize(("said", "waited"), [(7.0, 7.0), (0.2, 1.0), (None, 1.0), (1e9, 300.0)])
async def test_no_request_leaves_earlier_than_the_store_said(hours: Hours, said: float | None, waited: float) -> None:
    """The longer of its word and the jitter, five minutes at most; and not a request before that."""
    door, request, other = Door(Health()), Request(), Request()
    tasks = [asyncio.create_task(door.through(request))]
    await turns()
    await request.fails(said)
    tasks.append(asyncio.create_task(door.through(other)))
    await turns(100)
    assert hours.pauses == [waited]
    assert (request.asked, other.asked) == (1, 0)
    hours.over.release()
    await turns()
    assert (request.asked, other.asked) == (2, 0)
    await request.succeeds()
    await other.succeeds()
    await asyncio.gather(*tasks)


async def test_who_is_cancelled_while_knocking_leaves_the_door_to_the_next(hours: Hours) -> None:
    """The lock goes on; nobody waits for a write that is gone."""
    door, first, second = Door(Health()), Request(), Request()
    knocking = asyncio.create_task(door.through(first))
    await turns()
    await first.fails()
    waiting = asyncio.create_task(door.through(second))
    await turns()
    knocking.cancel()
    await asyncio.wait([knocking])
    await turns()
    await second.succeeds()
    assert await waiting == "stored"
