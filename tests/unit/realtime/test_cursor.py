"""The place in the stream."""

import base64
from contextlib import suppress
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.realtime.cursor import MAX_SOURCES, Cursor, Place, Position, parse_cursor
from services.realtime.errors import BadMessage
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


def test_a_source_far_behind_carries_its_own_time() -> None:
    """What it is yet to say may be older than what the others have said; a cursor is read as it was written."""
    position = Position()
    position.advance(batch(4, committed_ns=10**18))
    position.advance(batch(9, source="s2", committed_ns=10**18 - 10**11))
    assert decoded(position.cursor) == {
        "v": 1,
        "at": 10**18,
        "pos": {"s1": ["e1", 4], "s2": ["e1", 9, 10**18 - 10**11]},
    }
    read = parse_cursor(position.cursor, 10**18)
    assert read == Cursor(10**18, {"s1": Place("e1", 4, 10**18), "s2": Place("e1", 9, 10**18 - 10**11)})
    assert read.text == position.cursor


def test_a_cursor_stays_one_that_is_taken_back() -> None:
    """Of more sources than it may name the newest are named; those that are gone for ever make it no longer."""
    position = Position()
    for number in range(MAX_SOURCES + 3):
        position.advance(batch(1, source=f"s{number}", committed_ns=number))
    named = parse_cursor(position.cursor, 10**18).pos
    assert list(named) == [f"s{number}" for number in range(3, MAX_SOURCES + 3)]


def test_what_was_missed_shows() -> None:
    """By a prev that was not heard, and by a heartbeat that knows of more; a new file begins without a miss."""
    position = Position()
    assert not position.misses(batch(1))
    position.advance(batch(1))
    assert not position.misses(batch(2))
    assert position.misses(batch(3))
    assert position.misses(ReadingBatch("s1", "e1", 2, 2, 0, 0))
    assert not position.misses(batch(1, epoch="e2"))
    assert position.misses(batch(5, source="s2"))


def forged(**content: Any) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(content)).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "ä",
        "A" * 20_000,
        forged(v=2, at=1, pos={}),
        forged(v=1, at=-1, pos={}),
        forged(v=1, at=True, pos={}),
        forged(v=1, at="1", pos={}),
        forged(v=1, at=2**63, pos={}),
        forged(v=1, at=5 * 10**18, pos={}),
        forged(v=1, at=1, pos=[]),
        forged(v=1, at=1),
        forged(v=1, at=1, pos={"s": ["e"]}),
        forged(v=1, at=1, pos={"s": ["e", -1]}),
        forged(v=1, at=1, pos={"s": ["e", 2**60]}),
        forged(v=1, at=1, pos={"s": ["e", 1.5]}),
        forged(v=1, at=1, pos={"s": ["e", 1, 2]}),
        forged(v=1, at=1, pos={"s": [1, 1]}),
        forged(v=1, at=1, pos={"s" * 300: ["e", 1]}),
        forged(v=1, at=1, pos={f"s{number}": ["e", 1] for number in range(300)}),
        base64.urlsafe_b64encode(b"[1,2]").decode(),
        base64.urlsafe_b64encode(b"\xff\xfe").decode(),
    ],
)
def test_a_forged_cursor_is_an_error_that_says_so(text: str) -> None:
    """Whatever a client makes up is refused by name, or is a cursor."""
    with pytest.raises(BadMessage, match=r"^since: ") as error:
        parse_cursor(text, 10**18)
    assert error.value.code == "bad_since"


@given(st.text() | st.binary().map(lambda body: base64.urlsafe_b64encode(body).decode()))
def test_no_text_breaks_the_reader(text: str) -> None:
    """It is a cursor, or a BadMessage: there is no third way."""
    with suppress(BadMessage):
        assert parse_cursor(text, 10**18).at >= 0
