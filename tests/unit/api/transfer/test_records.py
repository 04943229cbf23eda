"""Bytes cut into records, however they come in."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.transfer.records import MAX_RECORD, Records


def cut(*blocks: bytes, quoted: bool = True) -> list[bytes | None]:
    records = Records(quoted=quoted)
    return [each for block in blocks for each in records.feed(block)] + records.end()


@given(st.lists(st.sampled_from([b"a", b",", b'"b\n""c"', b"\n", b"\r\n", b" "]), max_size=12), st.integers(1, 9))
def test_how_the_bytes_come_makes_no_difference(parts: list[bytes], size: int) -> None:
    """In one block, or in many."""
    data = b"".join(parts)
    assert cut(*(data[begin : begin + size] for begin in range(0, len(data), size))) == cut(data)


def test_a_line_break_within_quotes_ends_no_record() -> None:
    """Of CSV; NDJSON has none."""
    assert cut(b'a,"b\n\nc"\nd\n') == [b'a,"b\n\nc"', b"d"]
    assert cut(b'"a\n"b\n', quoted=False) == [b'"a', b'"b']


def test_blank_lines_and_the_mark_of_a_spreadsheet_are_left_out() -> None:
    """Also where the file begins with it."""
    assert cut(b"\xef\xbb\xbfa\r\n", b"\n \t\r\nb") == [b"a\r", b"b"]


@pytest.mark.parametrize("quoted", [True, False])
def test_what_is_too_long_is_told_once_and_left_out(quoted: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """However many blocks it has; the line after it is read again."""
    block = b"x" * 100_000
    assert cut(b"a\n", block, block, block, b"y\nb\n", quoted=quoted) == [b"a", None, b"b"]


def test_a_long_line_within_quotes_costs_its_own_record() -> None:
    """And none of those behind it."""
    assert cut(b'a,"b\n', b"x" * 200_000, b'y"\nc\nd\n') == [None, b"c", b"d"]


def test_a_quote_that_is_never_closed_costs_no_more_than_a_record() -> None:
    """What comes behind is read line by line again."""
    lines = [b"%06d," % number + b"x" * 993 for number in range(300)]
    found = cut(b'a,"b\n' + b"\n".join(lines) + b"\n")
    lost = 300 - len(found) + 1
    assert found == [None, *lines[lost:]]
    assert lost <= MAX_RECORD // 1000 + 1


def test_a_file_that_ends_within_quotes_gives_what_there_is() -> None:
    """Whoever reads it, says what is wrong."""
    assert cut(b'a\n"b\nc') == [b"a", b'"b\nc']


def test_empty_lines_within_quotes_are_counted() -> None:
    """A quote that is never closed, and a million of them, is one record that is too long."""
    records = Records(quoted=True)
    assert records.feed(b'time,"' + b"\n" * 1_000_000).count(None) == 1
    assert len(records._open) <= MAX_RECORD
