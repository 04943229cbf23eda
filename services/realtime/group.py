"""Sessions with equal selections: what they get is gathered, put together and encoded once for all of them."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol

import orjson

from services.realtime.frames import readings_frame
from services.realtime.selection import Filter, Selection
from shared.readings import DeviceStatus

Later = Callable[[float, Callable[[], None]], object]
"""Call something after so many seconds: loop.call_later, or a test's clock."""


class Chunk:
    """Readings as one text, shared by every mailbox that it lies in; `cursor` is the place behind them."""

    __slots__ = ("_frame", "_rows", "body", "count", "cursor")

    def __init__(self, texts: Sequence[str], cursor: str) -> None:
        self.body: Final = ",".join(texts)
        self.count: Final = len(texts)
        self.cursor: Final = cursor
        self._frame: str | None = None
        self._rows: list[dict[str, Any]] | None = None

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The readings decoded again, for those who must conflate: rarely needed, then often by many, so kept."""
        if self._rows is None:
            self._rows = orjson.loads(f"[{self.body}]")
        return self._rows

    @property
    def frame(self) -> str:
        if self._frame is None:
            self._frame = readings_frame(self.cursor, self.body)
        return self._frame


class Member(Protocol):
    """Who is in a group: a session's mailbox. Neither method waits, raises or calls back."""

    def put(self, chunk: Chunk, /) -> None: ...

    def tell(self, status: DeviceStatus, frame: str, /) -> None: ...


class Group:
    """Gathers texts for its members, who get them at once if nothing went out in the last `coalesce_s`, else then.

    A member that joins while texts are waiting gets only those behind them, and one that leaves takes its own along:
    so a session that changes its subscriptions gets each reading once.
    """

    def __init__(self, selection: Selection, cursor: Callable[[], str], later: Later, coalesce_s: float) -> None:
        self.filter: Final = Filter(selection)
        self.selection: Final = selection
        self._cursor = cursor
        self._later = later
        self._coalesce_s = coalesce_s
        self._members: dict[Member, int] = {}
        self._waiting: list[str] = []
        self._scheduled = False

    def __len__(self) -> int:
        return len(self._members)

    @property
    def quiet(self) -> bool:
        """Nothing waits to be sent: the stream's cursor holds for its members too."""
        return not self._waiting

    def join(self, member: Member) -> None:
        self._members[member] = len(self._waiting)

    def leave(self, member: Member) -> None:
        begin = self._members.pop(member)
        if begin < len(self._waiting):
            member.put(Chunk(self._waiting[begin:], self._cursor()))

    def add(self, texts: Iterable[str]) -> None:
        self._waiting.extend(texts)
        if self._waiting and not self._scheduled:
            # not here and now: what is published in the same turn of the loop goes out in the same frame
            self._schedule(0)

    def tell(self, status: DeviceStatus, frame: str) -> None:
        for member in self._members:
            member.tell(status, frame)

    def _flush(self) -> None:
        self._scheduled = False
        if not self._waiting:
            return
        self._schedule(
            self._coalesce_s
        )  # first: what follows takes its time, and the next frame need not wait for that
        waiting, self._waiting = self._waiting, []
        cursor = self._cursor()
        shared = Chunk(waiting, cursor)
        for member, begin in self._members.items():
            if begin == 0:
                member.put(shared)
                continue
            self._members[member] = 0
            if begin < len(waiting):
                member.put(Chunk(waiting[begin:], cursor))

    def _schedule(self, delay_s: float) -> None:
        self._scheduled = True
        self._later(delay_s, self._flush)
