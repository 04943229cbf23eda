"""CPU time by stage: what is a stage's own is counted, and nothing else."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from services.ingest import stages
from services.ingest.stages import Spent, Stage, counted, each, in_steps

PIECE_NS = 2_000_000


def burn() -> None:
    """So much CPU time of this thread, however long that takes."""
    end_ns = time.thread_time_ns() + PIECE_NS
    while time.thread_time_ns() < end_ns:
        pass


class Account:
    """What a stage was charged, and what this thread took, since it was made."""

    def __init__(self, stage: Stage) -> None:
        self._stage: Stage = stage
        self._before_s = stages.seconds()[stage]
        self._begun_ns = time.thread_time_ns()

    @property
    def charged_ns(self) -> float:
        return (stages.seconds()[self._stage] - self._before_s) * 1e9 + 1  # what floats leave out

    @property
    def taken_ns(self) -> int:
        return time.thread_time_ns() - self._begun_ns


def test_a_block_that_fails_is_counted_too() -> None:
    """By its own time, and not by that of what comes after it."""

    def fails() -> None:
        with Spent("judge"):
            burn()
            raise ValueError("planted")

    account = Account("judge")
    with pytest.raises(ValueError, match="planted"):
        fails()
    burn()
    assert PIECE_NS <= account.charged_ns <= account.taken_ns - PIECE_NS + 1


def test_a_function_is_counted_and_stays_itself() -> None:
    """Arguments, result and name."""

    @counted("latest")
    def added(one: int, *, two: int) -> int:
        burn()
        return one + two

    account = Account("latest")
    assert added(1, two=2) == 3
    assert added.__name__ == "added"
    assert account.charged_ns >= PIECE_NS


def test_making_values_is_counted_and_using_them_is_not() -> None:
    """In order, to the last one, and what comes after it."""

    def made() -> Iterator[int]:
        for value in range(3):
            burn()
            yield value
        burn()

    account = Account("judge")
    seen = []
    for value in each("judge", made()):
        burn()
        seen.append(value)
    assert seen == [0, 1, 2]
    assert 4 * PIECE_NS <= account.charged_ns <= account.taken_ns - 3 * PIECE_NS + 1


async def test_a_coroutine_is_counted_between_its_awaits() -> None:
    """What others do while it waits is theirs."""
    go_on = asyncio.Event()

    async def work() -> str:
        burn()
        await go_on.wait()
        burn()
        return "done"

    account = Account("write")
    task = asyncio.create_task(in_steps("write", work()))
    await asyncio.sleep(0)
    burn()
    burn()
    go_on.set()
    assert await task == "done"
    assert 2 * PIECE_NS <= account.charged_ns <= account.taken_ns - 2 * PIECE_NS + 1


async def test_errors_reach_the_coroutine_and_its_caller() -> None:
    """A cancellation, a timeout and an error pass as if nobody looked on."""
    ended: list[str] = []

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async def survives() -> str:
        try:
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        except TimeoutError:
            return "survived"
        return ""

    async def fails() -> None:
        await asyncio.sleep(0)
        raise ValueError("planted")

    task = asyncio.create_task(in_steps("mirror", waits()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended == ["cancelled"]
    assert await in_steps("mirror", survives()) == "survived"
    with pytest.raises(ValueError, match="planted"):
        await in_steps("mirror", fails())
