"""Taking turns: who is answered, who waits, who shall come back."""

import asyncio

import pytest

from services.api.errors import Away
from services.api.heavy import WAITING_EACH, Heavy


async def test_so_many_at_once_and_the_others_wait() -> None:
    """The next one begins when one ends, also when it failed."""
    heavy, running, most = Heavy(2), 0, 0

    async def work(number: int) -> None:
        nonlocal running, most
        async with heavy.turn():
            running += 1
            most = max(most, running)
            await asyncio.sleep(0)
            running -= 1
            if number % 2:
                raise ValueError(number)

    done = await asyncio.gather(*map(work, range(10)), return_exceptions=True)
    assert [type(each) for each in done] == [type(None), ValueError] * 5
    assert most == 2


async def test_who_would_wait_too_long_is_told_to_come_back() -> None:
    """At once beyond the room, otherwise after a while; the limit is named, and there is room again afterwards."""
    heavy, over = Heavy(1, within_s=0.05), asyncio.Event()

    async def work() -> None:
        async with heavy.turn():
            await over.wait()

    first, *others = [asyncio.create_task(work()) for _ in range(WAITING_EACH + 2)]
    _, waiting = await asyncio.wait(others, return_when=asyncio.FIRST_COMPLETED)
    assert len(waiting) == WAITING_EACH
    await asyncio.wait(waiting)
    for each in others:
        with pytest.raises(Away, match="TELEMETRIO_MAX_HEAVY_REQUESTS") as refused:
            await each
        assert (refused.value.code, "Retry-After" in refused.value.headers) == ("too_many_queries", True)
    over.set()
    await first
    await work()
