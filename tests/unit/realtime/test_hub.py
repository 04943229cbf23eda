"""Who gets which reading, when, and how often."""

from collections.abc import Callable, Iterable
from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from services.realtime.cursor import Cursor, Place
from services.realtime.frames import Interruption
from services.realtime.group import Chunk
from services.realtime.hub import Hub
from services.realtime.protocol import Subscribe
from services.realtime.recent import Known
from services.realtime.selection import Selection, UserIds, select
from shared.readings import DeviceStatus, Reading, ReadingBatch
from shared.times import iso_ns

NOTHING = select(None, ())
ALL = select(None, [Subscribe(type="subscribe", id=1, devices="*")])


class Clock:
    """A loop's clock and timers, moved by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self._timers: list[tuple[float, Callable[[], None]]] = []

    def later(self, delay_s: float, call: Callable[[], None]) -> None:
        self._timers.append((self.now + delay_s, call))

    def move(self, seconds: float) -> None:
        end = self.now + seconds
        while due := sorted((timer for timer in self._timers if timer[0] <= end), key=lambda timer: timer[0]):
            self._timers.remove(due[0])
            self.now = due[0][0]
            due[0][1]()
        self.now = end


class Inbox:
    """A member that keeps what it is given."""

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []
        self.told: list[str] = []
        self.interruptions: list[Interruption] = []

    def put(self, chunk: Chunk) -> None:
        self.chunks.append(chunk)

    def tell(self, _status: DeviceStatus, frame: str, /) -> None:
        self.told.append(frame)

    def interrupt(self, interruption: Interruption, /) -> None:
        self.interruptions.append(interruption)

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [row for chunk in self.chunks for row in chunk.rows]


class Feed:
    """Publishes batches with rising seq."""

    def __init__(self, coalesce_s: float = 0.05) -> None:
        self.clock = Clock()
        self.hub = Hub(self.clock.later, lambda: self.clock.now, coalesce_s)
        self._seq = 0

    def publish(self, *readings: Reading, status: Iterable[DeviceStatus] = ()) -> ReadingBatch:
        self._seq += 1
        batch = ReadingBatch("s1", "e1", self._seq, self._seq - 1, 0, self._seq, readings, tuple(status))
        self.hub.publish(batch)
        return batch


def made(device_id: str, ts_ns: int, owner: int = 1) -> Reading:
    return Reading(device_id, owner, "m", ts_ns, {"a": float(ts_ns), "b": 1.0})


def asking(*devices: str, user_ids: UserIds = None, metrics: list[str] | None = None) -> Selection:
    wanted: Any = list(devices) or "*"
    return select(user_ids, [Subscribe(type="subscribe", id=1, devices=wanted, metrics=metrics)])


def test_the_first_reading_goes_at_once_and_the_next_are_gathered() -> None:
    """After a quiet time a reading leaves in the same turn; those within coalesce_s after it share one frame."""
    feed, inbox = Feed(), Inbox()
    feed.hub.move(inbox, NOTHING, ALL)
    feed.publish(made("d1", 1))
    assert inbox.chunks == []
    feed.clock.move(0)
    assert [row["values"]["a"] for row in inbox.rows] == [1.0]
    feed.publish(made("d1", 2))
    feed.clock.move(0.04)
    feed.publish(made("d2", 3))
    assert len(inbox.chunks) == 1
    feed.clock.move(0.02)
    assert len(inbox.chunks) == 2
    assert [row["values"]["a"] for row in inbox.rows] == [1.0, 2.0, 3.0]
    feed.clock.move(1)
    feed.publish(made("d1", 4))
    feed.clock.move(0)
    assert len(inbox.chunks) == 3


def test_equal_subscriptions_share_their_frames() -> None:
    """Two hundred sessions that ask for the same hold the same object: encoded once."""
    feed = Feed()
    inboxes = [Inbox() for _ in range(200)]
    for inbox in inboxes:
        feed.hub.move(inbox, NOTHING, asking("d1", "d2"))
    feed.publish(made("d1", 1), made("d3", 1))
    feed.clock.move(1)
    assert {id(chunk) for inbox in inboxes for chunk in inbox.chunks} == {id(inboxes[0].chunks[0])}
    assert inboxes[0].chunks[0].frame is inboxes[1].chunks[0].frame


def test_a_known_batch_is_dropped() -> None:
    """An announcement that comes again, as after a restart of ingest, reaches nobody twice."""
    feed, inbox = Feed(), Inbox()
    feed.hub.move(inbox, NOTHING, ALL)
    batch = feed.publish(made("d1", 1), status=[DeviceStatus("d1", 1, "online", 5)])
    feed.hub.publish(batch)
    feed.clock.move(1)
    assert len(inbox.rows) == 1
    assert len(inbox.told) == 1


def test_a_status_reaches_those_who_subscribed_to_its_device_and_may_see_it() -> None:
    """Other devices' subscribers and other owners hear nothing, and an older status never follows a newer one."""
    feed = Feed()
    everyone, other_device, other_owner = Inbox(), Inbox(), Inbox()
    feed.hub.move(everyone, NOTHING, ALL)
    feed.hub.move(other_device, NOTHING, asking("d2"))
    feed.hub.move(other_owner, NOTHING, asking(user_ids=frozenset({2})))
    feed.publish(status=[DeviceStatus("d1", 1, "offline", 5)])
    feed.publish(status=[DeviceStatus("d1", 1, "online", 4)])
    assert [orjson.loads(frame)["status"] for frame in everyone.told] == ["offline"]
    assert other_device.told == other_owner.told == []


def test_a_snapshot_is_the_table_under_what_the_feed_has_seen() -> None:
    """Newer values of the feed win per metric, older ones don't, and devices that only one of them knows are in."""
    feed = Feed()
    feed.publish(made("d1", 10), made("d2", 10), made("d4", 1, owner=2))
    table = [
        Known("d1", 1, Reading("d1", 1, "m", 5, {"a": 0.0, "c": 7.0})),
        Known("d2", 1, Reading("d2", 1, "m", 20, {"a": 20.0})),
        Known("d3", 1, None),
        Known("d9", 2, Reading("d9", 2, "m", 5, {"a": 0.0})),
    ]
    mine = {row.device_id: row.reading for row in feed.hub.latest(asking(user_ids=frozenset({1})), table)}
    assert mine == {
        "d1": Reading("d1", 1, "m", 10, {"a": 10.0, "b": 1.0, "c": 7.0}),
        "d2": Reading("d2", 1, "m", 20, {"a": 20.0, "b": 1.0}),
        "d3": None,
    }


def test_a_device_that_changed_hands_is_no_longer_in_its_former_owners_snapshot() -> None:
    """The feed knows the new owner before the table does."""
    feed = Feed()
    feed.publish(made("d1", 10, owner=2))
    table = [Known("d1", 1, made("d1", 5))]
    assert feed.hub.latest(asking(user_ids=frozenset({1})), table) == []
    (theirs,) = feed.hub.latest(asking("d1", user_ids=frozenset({2})), [])
    assert theirs.reading == made("d1", 10, owner=2)


def test_the_stream_is_quiet_only_when_nothing_waits() -> None:
    """A heartbeat's cursor may not be ahead of readings that are still being gathered."""
    feed, inbox = Feed(), Inbox()
    feed.hub.move(inbox, NOTHING, ALL)
    assert feed.hub.quiet(ALL)
    feed.publish(made("d1", 1))
    assert not feed.hub.quiet(ALL)
    feed.clock.move(0)
    assert feed.hub.quiet(ALL)
    assert inbox.chunks[0].cursor == feed.hub.cursor


def test_nothing_is_left_of_sessions_that_are_gone() -> None:
    """Groups and their indexes vanish with the last member."""
    feed, inbox = Feed(), Inbox()
    feed.hub.move(inbox, NOTHING, asking("d1", "d2"))
    feed.hub.move(inbox, asking("d1", "d2"), ALL)
    feed.hub.move(inbox, ALL, NOTHING)
    assert (feed.hub._groups, feed.hub._everywhere, feed.hub._by_device) == ({}, [], {})


selections = st.sampled_from(
    [NOTHING, ALL, asking("d1"), asking("d1", "d2"), asking(metrics=["a"]), asking(user_ids=frozenset({2}))]
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), st.sampled_from(["d1", "d2", "d3"]), st.integers(1, 2)),
        st.tuples(st.just("select"), st.integers(0, 2), selections),
        st.tuples(st.just("wait"), st.sampled_from([0.0, 0.02, 0.06]), st.none()),
    ),
    max_size=40,
)


@given(steps)
def test_every_visible_reading_is_delivered_exactly_once(script: list[tuple[str, Any, Any]]) -> None:
    """Each session gets what was published while it asked for it, once and in order, whatever it asks for and when."""
    feed = Feed()
    inboxes = [Inbox() for _ in range(3)]
    selected = [NOTHING] * 3
    expected: list[list[str]] = [[], [], []]
    for number, (step, what, other) in enumerate(script):
        if step == "publish":
            feed.publish(made(what, number, other))
            for place, selection in enumerate(selected):
                if sees(selection, what, other):
                    expected[place].append(iso_ns(number))
        elif step == "select":
            feed.hub.move(inboxes[what], selected[what], other)
            selected[what] = other
        else:
            feed.clock.move(what)
    feed.clock.move(1)
    assert [[row["timestamp"] for row in inbox.rows] for inbox in inboxes] == expected


def sees(selection: Selection, device_id: str, owner: int) -> bool:
    if selection.user_ids is not None and owner not in selection.user_ids:
        return False
    return selection.everywhere is not None or device_id in dict(selection.devices)


def test_rows_that_are_announced_again_skip_those_who_had_them() -> None:
    """A client whose cursor is past them gets nothing twice; everybody else gets them, in the same frame."""
    feed, back, fresh = Feed(), Inbox(), Inbox()
    feed.hub.move(back, NOTHING, ALL, feed.hub.resume(Cursor(9, {"s1": Place("e1", 2, 9)})).ahead)
    feed.hub.move(fresh, NOTHING, ALL)
    for number in range(1, 5):
        feed.publish(made("d1", number))
    feed.clock.move(1)
    assert [row["values"]["a"] for row in back.rows] == [3.0, 4.0]
    assert [row["values"]["a"] for row in fresh.rows] == [1.0, 2.0, 3.0, 4.0]
    assert (len(back.chunks), len(fresh.chunks)) == (1, 1)


def test_a_hole_is_told_between_what_was_heard_before_and_after_it() -> None:
    """With the cursor of before; once, however often a heartbeat repeats what is missing."""
    feed, inbox = Feed(), Inbox()
    feed.hub.move(inbox, NOTHING, ALL)
    feed.publish(made("d1", 1))
    before = feed.hub.cursor
    feed.hub.publish(ReadingBatch("s1", "e1", 3, 2, 0, 3, [made("d1", 3)]))
    assert [chunk.cursor for chunk in inbox.chunks] == [before]
    assert [told.since for told in inbox.interruptions] == [before]
    feed.clock.move(1)
    assert [row["values"]["a"] for row in inbox.rows] == [1.0, 3.0]
    for _ in range(3):
        feed.hub.publish(ReadingBatch("s1", "e1", 4, 4, 0, 4))
    assert (len(inbox.interruptions), feed.hub.missed) == (2, 2)
