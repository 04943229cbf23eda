"""Waiting for a condition with a deadline: the only way a test may wait."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

_LOOK_EVERY_S = 0.02


def eventually(look: Callable[[], T | None], within_s: float = 5.0) -> T:
    """Return the first true answer; AssertionError when there is none in time."""
    deadline = time.monotonic() + within_s
    while True:
        seen = look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s; last seen: {seen!r}")
        time.sleep(_LOOK_EVERY_S)


async def eventually_async(look: Callable[[], Awaitable[T | None]], within_s: float = 5.0) -> T:
    """The same on a loop."""
    deadline = time.monotonic() + within_s
    while True:
        seen = await look()
        if seen:
            return seen
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within_s} s; last seen: {seen!r}")
        await asyncio.sleep(_LOOK_EVERY_S)
