"""What was heard of one file of one ingest."""

from hypothesis import given
from hypothesis import strategies as st

from services.realtime.heard import Track
from shared.readings import ReadingBatch
from shared.times import MAX_NS


def said(seq: int, prev: int | None = None, stored: int = 0) -> ReadingBatch:
    return ReadingBatch("s", "e", seq, seq - 1 if prev is None else prev, stored, seq)


@given(st.lists(st.integers(1, 30)))
def test_each_seq_is_new_once_in_whatever_order(seqs: list[int]) -> None:
    """A hole that is filled later is news, and nothing is news twice."""
    track, heard = Track(), set[int]()
    for seq in seqs:
        assert track.hear(said(seq)) == (seq not in heard)
        heard.add(seq)
    assert track.top == max(seqs, default=0)


def test_a_heartbeat_is_no_batch() -> None:
    """It tells how far ingest has come and what is stored; the batch of its seq is still to be heard."""
    track = Track()
    assert not track.hear(said(7, prev=7, stored=5))
    assert (track.top, track.stored, track.at) == (7, 5, 7)
    assert track.hear(said(7))


def test_a_row_that_is_told_again_does_not_turn_anything_back() -> None:
    """Neither the newest seq nor the time, and what is stored only grows."""
    track = Track()
    track.hear(said(9, stored=6))
    assert track.hear(said(3, stored=1))
    assert (track.top, track.stored, track.at) == (9, 6, 9)
    track.close()
    assert track.stored == MAX_NS
