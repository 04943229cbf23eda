"""All sessions of the process: looked after while they run, ended in good order when it stops."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Final, NamedTuple, cast

from services.realtime.admission import LOCAL_ADMIN, Guest
from services.realtime.session import Session
from services.realtime.transport import CloseCode

SPREAD_S: Final = 0.005
"""Between two closings at a restart: clients that are sent away together come back together."""
LONGEST_S: Final = 24 * 3600.0
"""Nobody stays on a ticket of yesterday."""


class Sent(NamedTuple):
    """To clients: messages, readings; gaps that they were told of, and readings left out with them."""

    frames: int
    readings: int
    gaps: int
    dropped: int

    def and_by(self, session: Session) -> "Sent":
        box = session.mailbox
        added = (session.frames, box.delivered, box.gaps, box.dropped)
        return Sent(*(mine + more for mine, more in zip(self, added, strict=True)))


@dataclass(slots=True)
class _Served:
    """The task that runs a session, whose it is, and since when it is looked after."""

    task: asyncio.Task[object]
    guest: Guest
    since: float | None = None


class Sessions:
    """Every running session, and the tasks of clients that are still on their way in."""

    def __init__(self, longest_s: float = LONGEST_S) -> None:
        self._served: dict[Session, _Served] = {}
        self._entering: set[asyncio.Task[object]] = set()
        self._longest_s = longest_s
        self._sent = Sent(0, 0, 0, 0)
        self.ended: Final[Counter[str]] = Counter()
        self.draining = False

    def __len__(self) -> int:
        return len(self._served)

    def __iter__(self) -> Iterator[Session]:
        return iter(self._served)

    @property
    def guests(self) -> set[Guest]:
        """Whose sessions there are."""
        return {served.guest for served in self._served.values()}

    @property
    def sent(self) -> Sent:
        """By all sessions there were."""
        return reduce(Sent.and_by, self._served, self._sent)

    def entering(self) -> None:
        """The calling task is about to serve somebody: it ends with the others."""
        self._entering.add(_this_task())

    def left(self) -> None:
        self._entering.discard(_this_task())

    async def serve(self, session: Session, guest: Guest = LOCAL_ADMIN) -> None:
        """Run a session in the calling task."""
        self._served[session] = _Served(_this_task(), guest)
        self.left()
        try:
            if self.draining:  # it was admitted just before
                session.end(CloseCode.RESTART, "restart")
            await session.run()
        finally:
            del self._served[session]
            self._sent = self._sent.and_by(session)
            self.ended[str(session.ended)] += 1

    def look_after(self, now: float) -> None:
        """Heartbeats for silent sessions; the end of those whose client takes nothing, or stays for too long."""
        for session, served in list(self._served.items()):
            if served.since is None:
                served.since = now
            if session.stuck(now):
                session.end(CloseCode.TOO_SLOW, "too slow")
                served.task.cancel()  # the writer can't say so: it is stuck in a send
            elif now - served.since > self._longest_s:
                session.end(CloseCode.UNKNOWN, "a day is over: log in again")
            else:
                session.beat(now)

    def end_of(self, leaves: Callable[[Guest], bool], reason: str = "access was withdrawn") -> int:
        """End the sessions of these guests at once; how many that are."""
        ended = [session for session, served in self._served.items() if leaves(served.guest)]
        for session in ended:
            session.end(CloseCode.UNKNOWN, reason)
        return len(ended)

    def change(self, by_now: Mapping[Guest, Guest | None]) -> None:
        """Guests who may see more or less than before, or nothing any more (None)."""
        for session, served in list(self._served.items()):
            guest = by_now.get(served.guest, served.guest)
            if guest is not None and guest != served.guest:
                served.guest = guest
                session.see(guest.user_ids)
        self.end_of(lambda guest: guest in by_now and by_now[guest] is None)

    async def drain(self, within_s: float) -> None:
        """End every session, a few at a time; those that do not end are cancelled. Returns in time in any case."""
        self.draining = True
        for task in self._entering:
            task.cancel()  # nothing was promised to them yet
        tasks = {served.task for served in self._served.values()} | self._entering
        if not tasks:
            return
        loop = asyncio.get_running_loop()
        spread_s = min(within_s / 2, SPREAD_S * len(tasks))
        for place, session in enumerate(self._served):
            loop.call_later(spread_s * place / len(tasks), session.end, CloseCode.RESTART, "restart")
        _, left = await asyncio.wait(tasks, timeout=within_s * 0.8)
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=within_s * 0.1)


def _this_task() -> asyncio.Task[object]:
    return cast("asyncio.Task[object]", asyncio.current_task())
