"""The way to the store: open to every write while it answers; while it doesn't, one at a time knocks."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from shared.health import Health
from shared.timeseries.store import Unavailable

T = TypeVar("T")

_BACKOFF_S: Final = (1.0, 30.0)
_LONGEST_WAIT_S: Final = 300.0


class Door:
    """An outage is met with one request at a time, further and further apart, and its end by all who waited.

    Whoever knocked in vain goes behind the others: a write that this store never answers doesn't keep them out.
    """

    def __init__(self, health: Health) -> None:
        self._health = health
        self._shut = False
        self._knocking = asyncio.Lock()  # first come, first served
        self._longest_s = _BACKOFF_S[0]
        self._pause_s = 0.0

    async def through(self, write: Callable[[], Awaitable[T]]) -> T:
        """Call `write` until it doesn't raise Unavailable, for as long as it takes."""
        while True:
            try:
                if not self._shut:
                    return await self._ask(write)
                async with self._knocking:
                    if self._shut:  # else somebody else got in meanwhile
                        return await self._knock(write)
            except Unavailable:
                continue

    async def _ask(self, write: Callable[[], Awaitable[T]]) -> T:
        try:
            answer = await write()
        except Unavailable as error:
            if self._shut:  # it was under way when another found out: no second knock, but the store's word counts
                self._pause_s = max(self._pause_s, _wait_s(0.0, error))
            else:
                self._longest_s = _BACKOFF_S[0]
                self._shut_for(error)
            raise
        if not self._shut:
            self._health.report("store", "ok", needed=False)
        return answer

    async def _knock(self, write: Callable[[], Awaitable[T]]) -> T:
        await self._wait()
        try:
            answer = await write()
        except Unavailable as error:
            self._longest_s = min(self._longest_s * 2, _BACKOFF_S[1])
            self._shut_for(error)
            raise
        self._shut = False
        self._health.report("store", "ok", needed=False)
        return answer

    def _shut_for(self, error: Unavailable) -> None:
        self._shut = True
        self._health.report("store", "down", str(error), needed=False)
        jitter_s = random.uniform(0, self._longest_s)  # noqa: S311 - full jitter, nobody gains by guessing it
        self._pause_s = max(self._pause_s, _wait_s(jitter_s, error))

    async def _wait(self) -> None:
        """Until the store's last word of when to come back, which other writes may bring meanwhile."""
        while True:
            pause_s, self._pause_s = self._pause_s, 0.0
            await asyncio.sleep(pause_s)
            if not self._pause_s:
                return


def _wait_s(jitter_s: float, error: Unavailable) -> float:
    return min(max(jitter_s, error.retry_after_s or 0.0), _LONGEST_WAIT_S)
