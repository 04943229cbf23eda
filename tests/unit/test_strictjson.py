"""JSON of devices: sound numbers come through, unsound ones are marked in their place."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.strictjson import MAX_DEPTH, NotDecodable, Unfit, decode, decode_marking, refuse_deep

sound_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
sound_numbers = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | sound_numbers | sound_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(sound_text, inner, max_size=3),
    max_leaves=8,
)


def depth(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else None
    return 0 if inner is None else 1 + max(map(depth, inner), default=0)


@given(json_values)
def test_both_ways_read_sound_json_alike(value: Any) -> None:
    """The careful way differs from the quick one only for what can't be kept, and refuses only what is too deep."""
    payload = json.dumps(value).encode()
    assert decode(payload) == value
    if depth(value) > MAX_DEPTH:
        with pytest.raises(NotDecodable, match="deeper"):
            refuse_deep(payload)
    else:
        refuse_deep(payload)
        assert decode_marking(payload) == value


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("NaN", Unfit("not_finite", "NaN")),
        ("-Infinity", Unfit("not_finite", "-Infinity")),
        ("1e999", Unfit("not_finite", "1e999")),
        ("9" * 5_000, Unfit("number_too_large", "9" * 32)),
        ("-" + "9" * 5_000, Unfit("number_too_large", "-" + "9" * 31)),
    ],
)
def test_an_unsound_number_is_marked_in_its_place(text: str, marked: Unfit) -> None:
    """It neither costs the message nor its neighbours."""
    assert decode_marking(f"[1, {text}, 2.5]".encode()) == [1, marked, 2.5]


def test_the_careful_way_keeps_nanoseconds() -> None:
    """A time of 19 digits beside a NaN is still that time."""
    assert decode(b'{"ts": 1767225600123456789, "a": NaN}')["ts"] == 1_767_225_600_123_456_789


@pytest.mark.parametrize(
    ("payload", "code"), [(b"{'a': 1}", "not_json"), (b'"\xc3"', "not_utf8"), (b"[" * 20_000, "too_deep")]
)
def test_what_cant_be_read_says_why(payload: bytes, code: str) -> None:
    """One code for each reason."""
    with pytest.raises(NotDecodable) as caught:
        decode(payload)
    assert caught.value.code == code
