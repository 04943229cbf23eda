"""Cursors, ids and JSON without a server around them."""

import base64
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from quart import Quart

from services.api.encoding import OrjsonProvider
from services.api.errors import ApiError, BadRequest, NotFound
from services.api.inputs import MAX_INT64, Page, row_id
from services.api.readings.cursor import Position, decode, encode
from shared.times import MAX_NS, MIN_NS

any_ns = st.integers(MIN_NS, MAX_NS)
positions = st.builds(
    Position, any_ns, any_ns, any_ns, st.text("abz_.-", min_size=1, max_size=64), st.integers(1, 2**53)
).filter(lambda position: position.start_ns < position.end_ns)


@given(positions, st.text(st.characters(codec="utf-8")))
def test_a_cursor_leads_back_to_its_position(position: Position, question: str) -> None:
    """Whatever the query, in characters that need no quoting."""
    cursor = encode(position, question)
    assert decode(cursor, question) == position
    assert cursor.replace("-", "").replace("_", "").isalnum()
    assert len(cursor) <= 512


@given(positions, st.data())
def test_a_changed_cursor_is_refused(position: Position, data: st.DataObject) -> None:
    """One bit, anywhere in it."""
    raw = bytearray(base64.urlsafe_b64decode(encode(position, "q") + "==="))
    at = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[at // 8] ^= 1 << (at % 8)
    with pytest.raises(BadRequest) as refused:
        decode(base64.urlsafe_b64encode(raw).rstrip(b"=").decode(), "q")
    assert refused.value.code == "bad_cursor"


@given(st.text(max_size=100))
def test_no_text_is_taken_for_a_cursor(text: str) -> None:
    """Refused as what it is; nothing else is raised."""
    with pytest.raises(BadRequest):
        decode(text, "q")


@given(st.integers(0, MAX_INT64))
def test_an_id_is_a_number_of_int64(number: int) -> None:
    """Digits, and no more than the database can hold."""
    assert row_id(str(number), "Item") == number


@given(st.text() | st.integers(MAX_INT64 + 1).map(str) | st.integers(max_value=-1).map(str))
def test_what_is_no_id_names_nothing(text: str) -> None:
    """NotFound, for signs, blanks, other scripts' digits and 20 digits."""
    if text.isascii() and text.isdigit() and len(text) < 19:
        return
    with pytest.raises(NotFound) as missing:
        row_id(text, "Dead letter")
    assert missing.value.code == "dead_letter_not_found"


def test_a_page_is_a_window() -> None:
    """Pages count from 1; half of the question is enough."""
    assert Page().window() == (1, 50, 0)
    assert Page(page=3).window() == (3, 50, 100)
    assert Page(page=2, per_page=7).window() == (2, 7, 7)


def test_quarts_own_json_is_ours() -> None:
    """One way to write JSON in the whole app."""
    provider = OrjsonProvider(Quart("app"))
    value: dict[str, Any] = {"a": [1, None, "ü"], "b": 1.5}
    assert provider.dumps(value) == '{"a":[1,null,"ü"],"b":1.5}'
    assert provider.loads(provider.dumps(value)) == value
    with pytest.raises(orjson.JSONDecodeError):
        provider.loads("NaN")


def test_an_error_that_names_a_field_is_a_detail() -> None:
    """So that a form can show it beside the field."""
    error = BadRequest("Device ID already exists", "device_exists", field="device_id")
    assert isinstance(error, ApiError)
    assert [detail._asdict() for detail in error.details] == [
        {"field": "device_id", "code": "device_exists", "message": "Device ID already exists"}
    ]
