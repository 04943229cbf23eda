"""Readings: their one encoding, and the envelope in which it travels."""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.identifiers import DEVICE_ID_PATTERN, METRIC_PATTERN
from shared.readings import (
    BadAnnouncement,
    DeviceStatus,
    Reading,
    ReadingBatch,
    decode_announcement,
    decode_readings,
    encode_announcement,
    encode_readings,
)

device_ids = st.from_regex(DEVICE_ID_PATTERN, fullmatch=True)
metric_names = st.from_regex(METRIC_PATTERN, fullmatch=True)
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
values = st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | text
readings = st.builds(
    Reading,
    device_ids,
    st.integers(1, 2**53),
    metric_names,
    st.integers(-(2**63), 2**63 - 1),
    st.dictionaries(metric_names, values, min_size=1, max_size=3),
)
statuses = st.builds(
    DeviceStatus, device_ids, st.integers(1, 9), st.sampled_from(["online", "offline"]), st.integers(0, 2**63 - 1)
)


def types(batch: list[Reading]) -> list[list[type]]:
    return [[type(value) for value in reading.values.values()] for reading in batch]


@given(st.lists(readings, max_size=5))
def test_readings_survive_their_encoding(batch: list[Reading]) -> None:
    """Every value of every type, and every nanosecond."""
    again = decode_readings(encode_readings(batch))
    assert again == batch
    assert types(again) == types(batch)


@given(st.lists(readings, max_size=3), st.lists(statuses, max_size=2))
def test_an_announcement_carries_the_rows_own_bytes(batch: list[Reading], status: list[DeviceStatus]) -> None:
    """What is announced is decoded to what was committed; the readings are not encoded again."""
    body = encode_readings(batch)
    sent = ReadingBatch("ingest", "e1", 7, 6, 5, 123, batch, status, body)
    payload = encode_announcement(sent)
    assert body in payload
    seen = decode_announcement(payload)
    assert seen == sent
    assert types(list(seen.readings)) == types(batch)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"v": 2}, "v"),
        ({"seq": -1}, "seq"),
        ({"readings": [["d 1", 1, "m", 0, {}]]}, r"readings\.0"),
        ({"readings": [["d1", 0, "m", 0, {}]]}, r"readings\.0"),
        ({"readings": [["d1", 1, "m", 0, {"a": [1]}]]}, r"readings\.0"),
        ({"status": [["d1"]]}, r"status\.0"),
    ],
)
def test_a_bad_announcement_names_its_field(change: dict[str, object], field: str) -> None:
    """What another version or a stranger publishes is refused, not half understood."""
    good = orjson.loads(encode_announcement(ReadingBatch("i", "e", 1, 0, 0, 0)))
    with pytest.raises(BadAnnouncement, match=f"^{field}"):
        decode_announcement(orjson.dumps({**good, **change}))


def test_bytes_that_are_no_announcement_are_refused() -> None:
    """Also when they aren't JSON."""
    with pytest.raises(BadAnnouncement):
        decode_announcement(b"\xff")
