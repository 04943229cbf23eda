"""How many requests that keep the store and a core busy are answered at the same time; others wait a little for a turn.

Without it a few callers with long ranges would keep everybody else from a page that takes a millisecond.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import wraps
from typing import Final, ParamSpec, TypeVar, cast

from quart import current_app

from services.api.errors import Away

P = ParamSpec("P")
R = TypeVar("R")

KEY: Final = "telemetrio_heavy"
WAITING_EACH: Final = 8
WITHIN_S: Final = 10.0


class Heavy:
    """`at_once` are carried out, eight times as many wait for `within_s`; the rest shall come back."""

    def __init__(self, at_once: int, within_s: float = WITHIN_S) -> None:
        self._turns = asyncio.Semaphore(at_once)
        self._room = at_once * WAITING_EACH
        self._within_s = within_s

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Raises Away."""
        await self._wait()
        try:
            yield
        finally:
            self._turns.release()

    async def _wait(self) -> None:
        if self._room <= 0:
            raise _busy()
        self._room -= 1
        try:
            async with asyncio.timeout(self._within_s):
                await self._turns.acquire()
        except TimeoutError as error:
            raise _busy() from error
        finally:
            self._room += 1


def in_turn(handler: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
    """The route is one of these. Stands below its guard: who may not ask needs no turn."""

    @wraps(handler)
    async def answered(*args: P.args, **kwargs: P.kwargs) -> R:
        async with cast("Heavy", current_app.extensions[KEY]).turn():
            return await handler(*args, **kwargs)

    return answered


def _busy() -> Away:
    message = "Too many long questions are being answered just now: see TELEMETRIO_MAX_HEAVY_REQUESTS"
    return Away(message, "too_many_queries")
