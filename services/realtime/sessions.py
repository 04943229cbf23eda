"""All sessions of the process: looked after while they run, ended in good order when it stops."""

import asyncio
from collections.abc import Iterator
from typing import Final, cast

from services.realtime.session import CloseCode, Session

SPREAD_S: Final = 0.005
"""Between two closings at a restart: clients that are sent away together come back together."""


class Sessions:
    """Every running session with the task that runs it."""

    def __init__(self) -> None:
        self._tasks: dict[Session, asyncio.Task[object]] = {}
        self.draining = False

    def __len__(self) -> int:
        return len(self._tasks)

    def __iter__(self) -> Iterator[Session]:
        return iter(self._tasks)

    async def serve(self, session: Session) -> None:
        """Run a session in the calling task."""
        self._tasks[session] = cast("asyncio.Task[object]", asyncio.current_task())
        try:
            if self.draining:  # it was admitted just before
                session.end(CloseCode.RESTART, "restart")
            await session.run()
        finally:
            del self._tasks[session]

    def look_after(self, now: float) -> None:
        """Heartbeats for silent sessions; the end of those whose client takes nothing."""
        for session, task in list(self._tasks.items()):
            if session.stuck(now):
                session.end(CloseCode.TOO_SLOW, "too slow")
                task.cancel()  # the writer can't say so: it is stuck in a send
            else:
                session.beat(now)

    async def drain(self, within_s: float) -> None:
        """End every session, a few at a time; those that do not end are cancelled. Returns in time in any case."""
        self.draining = True
        tasks = set(self._tasks.values())
        if not tasks:
            return
        loop = asyncio.get_running_loop()
        spread_s = min(within_s / 2, SPREAD_S * len(tasks))
        for place, session in enumerate(self._tasks):
            loop.call_later(spread_s * place / len(tasks), session.end, CloseCode.RESTART, "restart")
        _, left = await asyncio.wait(tasks, timeout=within_s * 0.8)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=within_s * 0.1)
