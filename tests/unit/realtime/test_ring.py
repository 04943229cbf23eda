"""What is kept for those who come back, and what left it."""

from services.realtime.cursor import Position
from services.realtime.ring import Ring
from shared.readings import Reading, ReadingBatch

KEY = ("s1", "e1")


def batch(seq: int, *, stored: int = 0, readings: int = 1) -> ReadingBatch:
    values = [Reading("d1", 1, "m", seq, {"a": 1.0}) for _ in range(readings)]
    return ReadingBatch("s1", "e1", seq, seq - 1, stored, seq, values)


def filled(count: int, stored: int, limit_bytes: int = 10**6) -> Ring:
    position = Position()
    ring = Ring(120, limit_bytes, position.stored)
    for seq in range(1, count + 1):
        position.advance(batch(seq, stored=min(stored, seq)))
        ring.add(batch(seq), float(seq))
    return ring


def seqs(ring: Ring) -> list[int]:
    return [entry.batch.seq for entry in ring.after(KEY, 0)]


def test_what_is_not_stored_stays_however_old() -> None:
    """Old and stored goes; old and unstored is kept, and so is what is stored and new."""
    ring = filled(10, stored=4)
    ring.forget(now_s=1_000)
    assert seqs(ring) == [5, 6, 7, 8, 9, 10]
    ring = filled(10, stored=10)
    ring.forget(now_s=125)
    assert seqs(ring) == [5, 6, 7, 8, 9, 10]
    ring.forget(now_s=1_000)
    assert (len(ring), ring.bytes, ring.left_unstored) == (0, 0, 0)


def test_the_bound_holds_whatever_is_stored() -> None:
    """Above it the oldest go, and those that the store may lack are counted."""
    ring = filled(100, stored=20, limit_bytes=30_000)
    assert ring.bytes <= 30_000
    assert seqs(ring)[-1] == 100
    assert ring.left_unstored == 100 - len(ring) - 20


def test_parts_are_asked_for_by_place() -> None:
    """Above a seq, up to one, and after a publication."""
    ring = filled(10, stored=0)
    assert [entry.batch.seq for entry in ring.after(KEY, 7)] == [8, 9, 10]
    assert [entry.batch.seq for entry in ring.until(KEY, 2)] == [1, 2]
    assert [entry.batch.seq for entry in ring.since(8)] == [9, 10]
    assert ring.after(("other", "e1"), 0) == []
