"""From the place that a client names to the place where live begins: what it missed, from the ring and the store."""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import orjson

from services.realtime.cursor import Cursor, parse_cursor
from services.realtime.errors import BadMessage, HistoryUnavailable, TooMuchHistory
from services.realtime.frames import Gap, Interruption, error_frame, gap_frame, history_frame, reading_text
from services.realtime.hub import Hub
from services.realtime.protocol import Subscribe
from services.realtime.received import Received
from services.realtime.replay import Replay, Wanted
from services.realtime.resume import SLACK_NS, Plan, merge, readings_of
from services.realtime.selection import Filter, Selection
from shared.readings import Reading
from shared.times import iso_ns, parse_time_ns
from shared.timeseries.late import LATE_NS

HISTORY_READINGS: Final = 1_000
_AT_A_TIME: Final = 2_000
# a source says something each second: who comes back right after a restart waits for that word
_HEARD_WITHIN_S: Final = 2.0
_LOOK_S: Final = 0.05
# for so long an announcement may be on its way of what the store has already
_UNDER_WAY_S: Final = 120.0


@dataclass(frozen=True, slots=True)
class Since:
    """`own`: the place is a time of the readings' own, not one in the stream."""

    cursor: Cursor
    own: bool = False


@dataclass(frozen=True, slots=True)
class Missed:
    """What to tell before live. `received`: of that, what live may bring once more."""

    texts: Sequence[str] = ()
    gap: str | None = None
    error: tuple[str, str] | None = None
    received: Received | None = None

    def frames(self, message_id: int) -> Iterator[str]:
        """A gap before what lies behind it, and history in parts."""
        if self.error is not None:
            yield error_frame(*self.error, message_id)
        if self.gap is not None:
            yield self.gap
        for begin in range(0, len(self.texts), HISTORY_READINGS):
            yield history_frame(message_id, self.texts[begin : begin + HISTORY_READINGS])


class Past:
    """Of one process. Without a `replay` there is only the ring."""

    def __init__(
        self, hub: Hub, replay: Replay | None, clock: Callable[[], float], now_ns: Callable[[], int], max_points: int
    ) -> None:
        self._hub = hub
        self._replay = replay
        self._clock = clock
        self._now_ns = now_ns
        self._max_points = max_points

    def read(self, asked: Subscribe) -> Since | None:
        """Where a subscription wants to begin; raises BadMessage."""
        if asked.since is None:
            return None
        try:
            now_ns = self._now_ns()
            try:
                moment = parse_time_ns(asked.since, now_ns)
            except ValueError:
                return Since(parse_cursor(asked.since, now_ns))
            return Since(Cursor(max(0, min(moment, now_ns)), {}), own=True)
        except BadMessage as error:
            raise BadMessage(error.code, str(error), asked.id) from error

    async def heard(self, since: Since) -> None:
        """Wait a moment, if this process has just begun, until each source has said where it is."""
        deadline = self._clock() + _HEARD_WITHIN_S
        while not self._hub.heard_of(since.cursor) and self._clock() < deadline:  # noqa: ASYNC110 - others publish
            await asyncio.sleep(_LOOK_S)

    async def missed(self, since: Since, plan: Plan, selection: Selection) -> Missed:
        """Everything between the place and the plan's end that the selection sees; never raises for want of a store."""
        if not since.own and plan.look_from_ns is None:
            return await self._told(readings_of(plan.entries), selection)
        announced = list(readings_of(plan.entries))
        if since.own:
            announced = [reading for reading in announced if reading.ts_ns >= since.cursor.at]
        wanted = _wanted(since, plan, selection)
        try:
            stored = await self._look(wanted)
        except HistoryUnavailable as error:
            message = f"the store can't be read now: {error}; come back with the same since"
            told = await self._told(merge([], announced, []), selection)
            return Missed(told.texts, self._gap(since), ("history_unavailable", message))
        except TooMuchHistory:
            return self._too_much()
        known = [*plan.had, *self._hub.ring.since(plan.number)]
        merged = merge(stored, announced, readings_of(known))
        told = await self._told(merged, selection)
        if told.error is not None:
            return told
        late = self._hub.at - LATE_NS - SLACK_NS
        under_way = (one for one in merged if one.ts_ns >= late or one.ts_ns < wanted.from_ns - LATE_NS)
        shown = await self._told(under_way, selection)  # what it did not ask for it has not got
        rows = orjson.loads(f"[{','.join(shown.texts)}]")
        received = Received(rows, self._clock, self._clock() + _UNDER_WAY_S)
        return Missed(told.texts, self._gap(since) if plan.unsure else None, None, received)

    async def _look(self, wanted: Wanted) -> Sequence[Reading]:
        if self._replay is None:
            raise HistoryUnavailable("there is none")
        return await self._replay(wanted)

    async def _told(self, readings: Iterable[Reading], selection: Selection) -> Missed:
        """As the selection sees them; a little at a time, so that nobody else waits for it."""
        seen = Filter(selection)
        texts: list[str] = []
        for number, reading in enumerate(readings, 1):
            text = (
                seen.text(reading, reading_text(reading))
                if seen.metrics(reading.device_id, reading.user_id)[0]
                else None
            )
            if text is not None:
                texts.append(text)
            if len(texts) > self._max_points:
                return self._too_much()
            if number % _AT_A_TIME == 0:
                await asyncio.sleep(0)
        return Missed(texts)

    def _too_much(self) -> Missed:
        message = (
            f"more than {self._max_points} readings were missed: ask GET /api/v1/devices/{{id}}/readings for them; "
            "live readings come as they arrive"
        )
        return Missed(error=("too_much_history", message))

    def _gap(self, since: Since) -> str:
        now_ns = max(self._now_ns(), since.cursor.at)
        return gap_frame(
            Gap("*", Interruption(since.cursor.text, iso_ns(since.cursor.at), iso_ns(now_ns)), "not_stored_yet")
        )


def _wanted(since: Since, plan: Plan, selection: Selection) -> Wanted:
    device_ids = None
    if selection.everywhere is None:
        device_ids = frozenset(device_id for device_id, _ in selection.devices)
    from_ns = since.cursor.at if since.own or plan.look_from_ns is None else plan.look_from_ns
    return Wanted(selection.user_ids, device_ids, from_ns, committed=not since.own)
