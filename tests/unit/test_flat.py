"""The quick way of judging: whatever it takes, the thorough way takes too, and to the same values."""

import json
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.flat import FlatJudge
from shared.payloads import MAX_PAYLOAD, Window, judge
from shared.profiles import ENVIRONMENT, KNEE, OPEN, Metric, Profile

NOW = 1_767_225_600 * 10**9  # 2026-01-01T00:00:00Z
RANGES = Profile(
    name="ranges",
    measurement="m",
    metrics={"a": Metric(minimum=-1, maximum=5), "b": Metric(minimum=0), "s": Metric(type="string"), "x": Metric()},
)
PROFILES = [OPEN, KNEE, ENVIRONMENT, RANGES]

names = st.sampled_from(["a", "b", "s", "x", "y", "temperature", "ts", "time", "device_id", "values", "a__s"])
times = st.sampled_from([NOW, NOW // 10**6, 1_767_225_600, 1_767_225_600.25, 5, "2026-01-01T00:00:00.5Z", "never"])
leaves = st.integers() | st.floats() | times | st.sampled_from(["d1", "d2", None, True, -0.0, 2**53, 2**53 + 1, [], {}])
flat = st.dictionaries(names, leaves, max_size=5)


def agree(payload: bytes) -> int:
    """For each profile the quick way says nothing, or the same; returns for how many it said something."""
    taken = 0
    for profile in PROFILES:
        quick = FlatJudge(profile)
        for _ in range(2):  # the second time the names are known
            found = quick.judge(payload, "d1")
            if found is None:
                continue
            taken += 1
            verdict = judge(payload, profile, "d1", NOW, Window(None, None))
            assert verdict.refused == []
            (sample,) = verdict.accepted
            assert (sample.ts_ns, sample.refused) == (found[0], ())
            assert list(sample.values.items()) == list(found[1].items())
            assert {type(value) for value in found[1].values()} == {float}
    return taken


@given(flat)
@example({"a": 1, "ts": NOW})
@example({"a": 2**53})
@example({"a": -0.0, "x": 1.5})
def test_it_says_what_the_thorough_way_says_or_nothing(content: dict[str, Any]) -> None:
    """The same time and the same values in the same order, for every profile."""
    agree(json.dumps(content).encode())


@given(st.binary(max_size=40) | st.text(max_size=40).map(str.encode))
def test_no_bytes_make_it_raise(payload: bytes) -> None:
    """What is no JSON, or no object, is left to the thorough way."""
    agree(payload)


@pytest.mark.parametrize(
    "content",
    [
        {"temperature": 23.5, "humidity": 55, "pressure": 1013.25},
        {"temperature": 23.5, "timestamp": 1_767_225_600_123},
        {"ts": "2026-01-01T00:00:00.123Z", "temperature": 23.5},
        {"time": 1_767_225_600.5, "x": 1, "device_id": "d1"},
        {f"m{number}": number for number in range(100)},
    ],
)
def test_what_most_devices_send_takes_the_quick_way(content: dict[str, Any]) -> None:
    """Numbers under good names, with or without a time, for a profile that takes them."""
    assert agree(orjson.dumps(content)) >= 2


@pytest.mark.parametrize(
    "payload",
    [
        *(
            b"{}",
            b"[]",
            b"[1]",
            b"1",
            b'"a"',
            b"",
            b"nonsense",
            b'{"a":NaN}',
            b'{"a":1e999}',
            b'{"a":9007199254740993}',
        ),
        *(b'{"a":"text"}', b'{"a":true}', b'{"a":null}', b'{"a":{}}', b'{"a":1,"b__s":1}', b'{"a":1,"user_id":2}'),
        *(b'{"a":1,"ts":"never"}', b'{"a":1,"ts":5}', b'{"a":1,"ts":null}', b'{"a":1,"ts":1,"time":1}', b'{"ts":1}'),
        *(b'{"a":1,"device_id":"d2"}', b'{"a":1,"device_id":null}', b'{"values":{"a":1}}', b'{"\\ud800":1}'),
        orjson.dumps({f"m{number}": 1 for number in range(101)}),
        b'{"a":1' + b" " * MAX_PAYLOAD + b"}",
    ],
)
def test_whatever_is_not_plain_is_left_to_the_thorough_way(payload: bytes) -> None:
    """It may be good all the same."""
    assert FlatJudge(OPEN).judge(payload, "d1") is None


def test_a_profile_that_is_closed_or_has_ranges_is_obeyed() -> None:
    """Unknown metrics, values out of range and other types are the thorough way's to refuse."""
    assert FlatJudge(KNEE).judge(b'{"x":1,"w":1}', "d1") is None
    assert FlatJudge(RANGES).judge(b'{"a":6}', "d1") is None
    assert FlatJudge(RANGES).judge(b'{"s":6}', "d1") is None
    assert FlatJudge(RANGES).judge(b'{"a":5,"b":1e9}', "d1") == (None, {"a": 5.0, "b": 1e9})


def test_names_that_are_made_up_do_not_fill_the_memory() -> None:
    """However many sets of names there are, so many are remembered, and none of great length."""
    quick = FlatJudge(OPEN)
    for number in range(5_000):
        assert quick.judge(b'{"m%d":1}' % number, "d1") is not None
    assert quick.judge(orjson.dumps({f"m{number}": 1 for number in range(99)}), "d1") is not None
    assert quick.judge(orjson.dumps({"m" * 60_000: 1}), "d1") is None
    assert len(quick._shapes) <= 1_024
    assert max(map(len, quick._shapes)) <= 32
    assert max(len(name) for names in quick._shapes for name in names) <= 64
