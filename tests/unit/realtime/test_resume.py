"""Where lies what a client has missed."""

from services.realtime.cursor import Cursor, Place, Position
from services.realtime.resume import SLACK_NS, STRANGE_NS, Plan, merge, plan
from services.realtime.ring import Ring
from shared.readings import Reading, ReadingBatch

AT = 10**18


class Stream:
    """A position and its ring, fed by hand."""

    def __init__(self, ring_bytes: int = 10**6) -> None:
        self.position = Position()
        self.ring = Ring(120, ring_bytes, self.position.stored)

    def hear(self, *seqs: int, source: str = "s1", epoch: str = "e1", stored: int = 0) -> None:
        for seq in seqs:
            batch = ReadingBatch(source, epoch, seq, seq - 1, stored, AT + seq)
            if self.position.advance(batch):
                self.ring.add(batch, 0.0)

    def beat(self, seq: int, stored: int) -> None:
        self.position.advance(ReadingBatch("s1", "e1", seq, seq, stored, AT + seq))

    def plan(self, **pos: tuple[str, int]) -> Plan:
        places = {source: Place(epoch, seq, AT + seq) for source, (epoch, seq) in pos.items()}
        return plan(Cursor(AT + 100, places), self.position, self.ring)


def seqs(made: Plan) -> list[int]:
    return [entry.batch.seq for entry in made.entries]


def test_the_ring_gives_exactly_what_is_behind_the_cursor() -> None:
    """Neither the cursor's own batch nor less than all behind it; the store is not asked."""
    stream = Stream()
    stream.hear(*range(1, 11))
    made = stream.plan(s1=("e1", 6))
    assert seqs(made) == [7, 8, 9, 10]
    assert (made.look_from_ns, made.unsure) == (None, False)
    assert seqs(stream.plan(s1=("e1", 10))) == []


def test_several_sources_keep_the_order_of_publication() -> None:
    """Each from its own place, merged."""
    stream = Stream()
    stream.hear(1, 2)
    stream.hear(1, 2, source="s2")
    stream.hear(3)
    made = stream.plan(s1=("e1", 1), s2=("e1", 1))
    assert [(entry.batch.source, entry.batch.seq) for entry in made.entries] == [("s1", 2), ("s2", 2), ("s1", 3)]


def test_what_the_ring_lacks_is_in_the_store_or_nowhere() -> None:
    """A restarted realtime looks in the store from the source's own time on; what is not stored yet makes it unsure."""
    stream = Stream()
    stream.hear(50, 51, stored=49)
    made = stream.plan(s1=("e1", 40))
    assert (seqs(made), made.look_from_ns, made.unsure) == ([50, 51], AT + 40 - SLACK_NS, False)
    stream = Stream()
    stream.hear(50, 51, stored=48)
    assert stream.plan(s1=("e1", 40)).unsure
    assert not stream.plan(s1=("e1", 49)).unsure


def test_a_hole_counts_as_missing_until_it_is_filled() -> None:
    """Announcements that were lost are looked for in the store, and are a gap while they are not there."""
    stream = Stream()
    stream.hear(1, 2, 5)
    assert stream.plan(s1=("e1", 2)).unsure
    stream.hear(4)
    stream.beat(5, stored=3)
    made = stream.plan(s1=("e1", 2))
    assert (seqs(made), made.unsure) == ([5, 4], False)
    assert made.look_from_ns is not None
    stream.hear(3)
    assert stream.plan(s1=("e1", 2)).look_from_ns is None


def test_a_heartbeat_alone_shows_that_the_last_ones_are_missing() -> None:
    """Nobody need wait for the next batch."""
    stream = Stream()
    stream.hear(1, 2)
    stream.beat(4, stored=2)
    assert stream.plan(s1=("e1", 2)).unsure


def test_a_source_that_was_never_heard_of_makes_it_unsure() -> None:
    """It may have rows that nobody here knows of; what the client has had of it is not for it once more."""
    made = Stream().plan(s9=("e1", 7))
    assert made.unsure
    assert made.ahead == {("s9", "e1"): 7}


def test_a_source_that_the_cursor_does_not_know_is_read_from_its_beginning() -> None:
    """Its clock may be a minute behind."""
    stream = Stream()
    stream.hear(1, 2)
    assert seqs(stream.plan()) == [1, 2]
    stream.hear(9, source="s2", stored=8)
    assert stream.plan(s1=("e1", 2)).look_from_ns == AT + 100 - STRANGE_NS - SLACK_NS


def test_a_new_file_goes_on_where_the_old_one_ended() -> None:
    """What is left of the old one and all of the new one; an old file of which nothing is known is in the store."""
    stream = Stream()
    stream.hear(1, 2, 3)
    stream.hear(1, 2, epoch="e2")
    made = stream.plan(s1=("e1", 2))
    assert [(entry.batch.epoch, entry.batch.seq) for entry in made.entries] == [("e1", 3), ("e2", 1), ("e2", 2)]
    assert made.look_from_ns is None
    assert seqs(stream.plan(s1=("e2", 1))) == [2]
    made = stream.plan(s1=("e0", 9))
    assert len(made.entries) == 5
    assert made.look_from_ns is not None


def reading(ts_ns: int, **values: float) -> Reading:
    return Reading("d1", 1, "m", ts_ns, {**values})


def test_doubles_are_dropped_metric_by_metric() -> None:
    """By measurement, device, owner and time; what one moment was told in several messages is put together."""
    stored = [reading(1, a=1.0), reading(2, a=2.0), reading(3, a=3.0, b=3.0), reading(4, a=4.0)]
    announced = [reading(2, a=2.0), reading(2, b=2.0), reading(5, a=5.0)]
    known = [reading(3, a=3.0), reading(4, a=4.0)]
    assert merge(stored, announced, known) == [
        reading(1, a=1.0),
        reading(2, a=2.0, b=2.0),
        reading(3, b=3.0),
        reading(5, a=5.0),
    ]
