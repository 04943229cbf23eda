"""An event loop whose time is made up: whenever nothing can run, it is suddenly as late as the next timer."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):
    """Waits for nobody."""

    waited_s = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        events: list[Any] = super().select(0)
        if not events:
            assert timeout is not None, "everything waits for something that no timer brings"
            self.waited_s += max(timeout, 0.0)
        return events


class SimulatedLoop(asyncio.SelectorEventLoop):
    """Ten minutes take as long as the work in them."""

    def __init__(self) -> None:
        self._waits = _Selector()
        super().__init__(self._waits)

    def time(self) -> float:
        return self._waits.waited_s


def run_simulated(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end in a loop of its own."""
    with asyncio.Runner(loop_factory=SimulatedLoop) as runner:
        return runner.run(work)


async def lapse(seconds: float) -> None:
    """Let so much of the loop's time go by."""
    loop = asyncio.get_running_loop()
    passed = asyncio.Event()
    loop.call_later(seconds, passed.set)
    await passed.wait()
