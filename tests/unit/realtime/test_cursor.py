"""The place in the stream."""

import base64

import orjson

from services.realtime.cursor import Position
from shared.readings import ReadingBatch


def batch(seq: int, *, source: str = "s1", epoch: str = "e1", committed_ns: int = 0) -> ReadingBatch:
    return ReadingBatch(source, epoch, seq, max(seq - 1, 0), 0, committed_ns)


def decoded(cursor: str) -> object:
    return orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))


def test_an_announcement_counts_once() -> None:
    """A known (source, epoch, seq) does not advance the position, also after another source or epoch was read."""
    position = Position()
    assert position.advance(batch(1))
    assert not position.advance(batch(1))
    assert position.advance(batch(1, source="s2"))
    assert position.advance(batch(2))
    assert position.advance(batch(1, epoch="e2"))
    assert not position.advance(batch(2))
    assert not position.advance(batch(1, epoch="e2"))


def test_a_cursor_names_every_source_and_the_newest_commit() -> None:
    """The cursor holds version, commit time and each source's last seq; one source's clock never pulls it back."""
    position = Position()
    position.advance(batch(4, committed_ns=50))
    before = position.cursor
    position.advance(batch(9, source="s2", committed_ns=20))
    assert decoded(before) == {"v": 1, "at": 50, "pos": {"s1": ["e1", 4]}}
    assert decoded(position.cursor) == {"v": 1, "at": 50, "pos": {"s1": ["e1", 4], "s2": ["e1", 9]}}
    assert position.cursor is position.cursor
