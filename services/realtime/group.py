"""Sessions with equal selections: what they get is gathered, put together and encoded once for all of them."""

from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, Protocol

import orjson

from services.realtime.conflation import Conflated
from services.realtime.frames import Interruption, readings_frame
from services.realtime.selection import Filter, Selection
from shared.readings import DeviceStatus

Later = Callable[[float, Callable[[], None]], object]
"""Call something after so many seconds: loop.call_later, or a test's clock."""


# what a slow rate gathers is bounded, too: above this it is sent before its time
_MAX_WAITING: Final = 20_000


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

    def interrupt(self, interruption: Interruption, /) -> None: ...


class Group:
    """Gathers texts for its members, who get them at once if nothing went out in the last `coalesce_s`, else then.

    A member that joins while texts are waiting gets only those behind them, and one that leaves takes its own along:
    so a session that changes its subscriptions gets each reading once. With a `rate_hz` texts are gathered for longer,
    and of each device and metric the newest is sent.
    """

    def __init__(self, selection: Selection, cursor: Callable[[], str], later: Later, coalesce_s: float) -> None:
        self.filter: Final = Filter(selection)
        self.selection: Final = selection
        self._cursor = cursor
        self._later = later
        self._coalesce_s = max(coalesce_s, 1 / selection.rate_hz if selection.rate_hz else 0.0)
        self._members: dict[Member, int] = {}
        self._waiting: list[str] = []
        self._skips: dict[Member, set[int]] = {}
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
        texts = self._own(member, begin, self._waiting)
        if texts:
            member.put(self._chunk(texts, self._cursor()))

    def add(self, texts: Sequence[str], without: Collection[Member] = ()) -> None:
        """`without`: who has had them already, which is rare."""
        begin = len(self._waiting)
        self._waiting.extend(texts)
        for member in without:
            if member in self._members:
                self._skips.setdefault(member, set()).update(range(begin, len(self._waiting)))
        if self._waiting and not self._scheduled:
            # not here and now: what is published in the same turn of the loop goes out in the same frame
            self._schedule(0)
        if len(self._waiting) > _MAX_WAITING and self.selection.rate_hz:
            self._hand_out()

    def interrupt(self, interruption: Interruption) -> None:
        """Something was not heard; what was heard before it goes first."""
        self._hand_out()
        for member in self._members:
            member.interrupt(interruption)

    def tell(self, status: DeviceStatus, frame: str) -> None:
        for member in self._members:
            member.tell(status, frame)

    def _flush(self) -> None:
        self._scheduled = False
        if self._waiting:
            # first: handing out takes its time, and the next frame need not wait for that
            self._schedule(self._coalesce_s)
            self._hand_out()

    def _hand_out(self) -> None:
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        cursor = self._cursor()
        shared = self._chunk(waiting, cursor)
        for member, begin in self._members.items():
            if begin == 0 and member not in self._skips:
                member.put(shared)
                continue
            self._members[member] = 0
            texts = self._own(member, begin, waiting)
            if texts:
                member.put(self._chunk(texts, cursor))

    def _own(self, member: Member, begin: int, waiting: Sequence[str]) -> Sequence[str]:
        """What of it is for a member that joined when some was waiting, or had some of it before."""
        skips = self._skips.pop(member, ())
        return [text for place, text in enumerate(waiting[begin:], begin) if place not in skips]

    def _chunk(self, texts: Sequence[str], cursor: str) -> Chunk:
        if not self.selection.rate_hz:
            return Chunk(texts, cursor)
        newest = Conflated(cursor)
        newest.add(Chunk(texts, cursor).rows, cursor)
        return Chunk(newest.texts(), cursor)

    def _schedule(self, delay_s: float) -> None:
        self._scheduled = True
        self._later(delay_s, self._flush)
