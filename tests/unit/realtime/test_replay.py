"""What is asked of the store for those who come back, and what becomes of it when it does not answer."""

import asyncio
from collections.abc import Sequence

import pytest

from services.realtime.errors import HistoryUnavailable, TooMuchHistory
from services.realtime.frames import reading_text
from services.realtime.group import Chunk
from services.realtime.past import Missed
from services.realtime.received import Received
from services.realtime.replay import Replay, Wanted
from services.realtime.selection import UserIds
from shared.readings import Reading
from shared.timeseries.late import LATE_NS
from shared.timeseries.store import LateQuery, LateRange, RawPage, RawQuery, Unavailable

FROM = 10**18


def made(device_id: str, ts_ns: int, **values: float) -> Reading:
    return Reading(device_id, 1, "m", ts_ns, {**values} if values else {"a": 1.0})


class Shelf:
    """An archive of a few readings, in pages of two."""

    def __init__(self, *readings: Reading, late: Sequence[LateRange] = ()) -> None:
        self.readings = readings
        self.late_ranges = late
        self.asked: list[RawQuery] = []
        self.open = asyncio.Event()
        self.open.set()
        self.broken = False

    async def raw(self, query: RawQuery) -> RawPage:
        self.asked.append(query)
        await self.open.wait()
        if self.broken:
            raise Unavailable("gone")
        found = [
            one
            for one in sorted(self.readings)
            if one.device_id == query.device_id
            and query.start_ns <= one.ts_ns < query.end_ns
            and (query.after is None or one.ts_ns > query.after[0])
        ]
        return RawPage(found[:2], more=len(found) > 2)

    async def late(self, query: LateQuery) -> Sequence[LateRange]:
        assert query.start_ns <= FROM
        return self.late_ranges

    async def devices(self, _user_ids: UserIds) -> Sequence[str]:
        return ["d1", "d2"]


async def test_it_looks_a_minute_back_and_where_something_was_late() -> None:
    """Page by page, each device; what is older than that and was not late is left alone."""
    recent = [made("d1", FROM - LATE_NS + number) for number in range(5)]
    late, old = made("d2", FROM - 10 * LATE_NS), made("d2", FROM - 5 * LATE_NS)
    shelf = Shelf(*recent, late, old, late=[LateRange("d2", 1, late.ts_ns, late.ts_ns + 1, 1)])
    found = await Replay(shelf, 100, 5)(Wanted(None, None, FROM, committed=True))
    assert sorted(found) == sorted([*recent, late])
    assert all(query.user_ids is None for query in shelf.asked)


async def test_a_time_is_meant_as_it_is_said() -> None:
    """From the readings' own time on, without a look further back."""
    shelf = Shelf(made("d1", FROM - 1), made("d1", FROM), late=[LateRange("d1", 1, 0, FROM, 1)])
    wanted = Wanted(frozenset({1}), frozenset({"d1"}), FROM, committed=False)
    assert await Replay(shelf, 100, 5)(wanted) == [made("d1", FROM)]
    assert [query.user_ids for query in shelf.asked] == [[1]]


async def test_equal_questions_are_asked_once() -> None:
    """Clients that were cut off together come back together; one that leaves takes nobody's answer along."""
    shelf = Shelf(made("d1", FROM))
    shelf.open.clear()
    replay = Replay(shelf, 100, 5)
    asking = [asyncio.create_task(replay(Wanted(None, None, FROM + number, committed=True))) for number in range(5)]
    for _ in range(5):
        await asyncio.sleep(0)
    asking[0].cancel()
    shelf.open.set()
    assert await asyncio.gather(*asking[1:]) == [[made("d1", FROM)]] * 4
    assert replay.asked == 1


async def test_too_much_is_not_read_to_its_end() -> None:
    """Above the bound reading stops."""
    shelf = Shelf(*(made("d1", FROM + number) for number in range(100)))
    with pytest.raises(TooMuchHistory):
        await Replay(shelf, 10, 5)(Wanted(None, None, FROM, committed=True))
    assert len(shelf.asked) < 10


async def test_a_store_that_fails_or_hangs_is_given_up() -> None:
    """Both are the same for the one who asked: later, perhaps."""
    shelf = Shelf()
    shelf.broken = True
    replay = Replay(shelf, 10, 0.01)
    with pytest.raises(HistoryUnavailable, match="gone"):
        await replay(Wanted(None, None, FROM, committed=True))
    shelf.open.clear()
    with pytest.raises(HistoryUnavailable, match="too long"):
        await replay(Wanted(None, None, FROM, committed=True))


def test_what_the_store_gave_is_not_told_again() -> None:
    """Until its announcement must have come; a new metric of the same moment gets through."""
    now = [0.0]
    received = Received(Chunk([reading_text(made("d1", 5, a=1.0))], "c").rows, lambda: now[0], 120.0)
    again, more = made("d1", 5, a=1.0), made("d1", 5, a=1.0, b=2.0)
    other = made("d1", 6, a=1.0)
    chunk = Chunk([reading_text(again), reading_text(other)], "c")
    assert received.without(chunk).rows == [chunk.rows[1]]
    assert received.without(chunk).cursor == "c"
    kept = Chunk([reading_text(more)], "c")
    assert received.without(kept) is kept
    now[0] = 121.0
    assert received.without(chunk) is chunk
    assert len(received) == 0


def test_a_gap_comes_before_what_lies_behind_it() -> None:
    """And history in parts of a thousand."""
    frames = list(Missed(["{}"] * 2_500, gap="gap", error=("history_unavailable", "m")).frames(3))
    assert ['"error"' in frames[0], frames[1], len(frames)] == [True, "gap", 5]
