"""The judge: every form that a device may use, every rule, and whatever bytes an enemy may send."""

import json
import math
import re
from typing import Any, Final

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.identifiers import RESERVED_METRICS
from shared.payloads import MAX_METRICS, MAX_PAYLOAD, MAX_SAMPLES, Sample, Verdict, Window, judge
from shared.profiles import ENVIRONMENT, KNEE, OPEN, Metric, Profile
from shared.values import MAX_STRING

NOW: Final = 1_767_225_600 * 10**9  # 2026-01-01T00:00:00Z
ANY_TIME: Final = Window(None, None)
NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,63}")


def judged(payload: bytes | str, profile: Profile = OPEN, window: Window = ANY_TIME) -> Verdict:
    return judge(payload.encode() if isinstance(payload, str) else payload, profile, "d1", NOW, window)


def only(payload: bytes | str, profile: Profile = OPEN, window: Window = ANY_TIME) -> Sample:
    """The one sample of a message of which no sample is refused."""
    verdict = judged(payload, profile, window)
    assert verdict.refused == []
    (sample,) = verdict.accepted
    return sample


def code(payload: bytes | str, profile: Profile = OPEN, window: Window = ANY_TIME) -> str:
    """The code of a message that is refused as one entry."""
    verdict = judged(payload, profile, window)
    assert verdict.accepted == []
    (flaw,) = verdict.refused
    return flaw.code


def assert_sound(verdict: Verdict) -> None:
    """What holds for every verdict: values that every store can hold, names that every store can take."""
    for sample in verdict.accepted:
        assert sample.values
        for name, value in sample.values.items():
            assert NAME.fullmatch(name)
            assert name not in RESERVED_METRICS
            assert type(value) in (float, bool, str)
            assert not isinstance(value, float) or math.isfinite(value)
            assert not isinstance(value, str) or len(value.encode()) <= MAX_STRING
        assert sample.ts_ns is None or 10**18 <= sample.ts_ns < 2**63
    flaws = [*verdict.refused, *(flaw for sample in verdict.accepted for flaw in sample.refused)]
    orjson.dumps(flaws_as_lists := [list(flaw) for flaw in flaws])  # a dead letter must be able to hold them
    assert all("\x00" not in text for flaw in flaws_as_lists for text in flaw)
    assert [flaw.code for flaw in flaws] == list(verdict.codes())


numbers = st.integers() | st.floats(allow_nan=True, allow_infinity=True)
names = st.sampled_from([
    *("temperature", "x", "a-b.c_d", "timestamp", "ts", "time", "device_id", "user_id", "values", "a__s", "b__b", ""),
    *("bn", "bt", "bv", "n", "v", "vs", "vb", "vd", "s", "t", "u", "must_"),
])  # fmt: skip
leaves = st.none() | st.booleans() | numbers | st.text(max_size=8) | st.sampled_from(["2026-01-01T00:00:00Z", NOW])
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names | st.text(max_size=4), inner, max_size=5),
    max_leaves=20,
)
tokens = st.lists(
    st.sampled_from(
        [
            *(
                b"{",
                b"}",
                b"[",
                b"]",
                b":",
                b",",
                b'"',
                b"\\",
                b'"a"',
                b'"ts"',
                b'"bn"',
                b'"v"',
                b"1",
                b"1e999",
                b"-",
                b".",
            ),
            *(b"NaN", b"-Infinity", b"9" * 25, b"null", b"true", b'"\\ud800"', b"\xff", b"\x00", b" "),
        ]
    )
).map(b"".join)


@given(st.binary() | tokens | values.map(lambda value: json.dumps(value).encode()))
def test_no_bytes_make_the_judge_raise(payload: bytes) -> None:
    """Whatever arrives, there is a verdict, with at least one entry, and everything in it can be kept."""
    for profile in (OPEN, KNEE):
        verdict = judged(payload, profile)
        assert verdict.accepted or verdict.refused
        assert_sound(verdict)


@given(st.lists(st.dictionaries(names | st.text(max_size=4), leaves, max_size=5), min_size=1, max_size=5))
def test_every_sample_is_one_entry(samples: list[dict[str, Any]]) -> None:
    """Accepted and refused together are as many as there were samples, unless the message is SenML."""
    samples[0] = {"plain": 1, **{name: each for name, each in samples[0].items() if name[:1] not in ("b", "n")}}
    verdict = judged(json.dumps(samples))
    assert_sound(verdict)
    assert len(verdict.accepted) + len(verdict.refused) == len(samples)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ("NaN", "not_finite"),
        ("Infinity", "not_finite"),
        ("-Infinity", "not_finite"),
        ("1e999", "not_finite"),
        ("-1e999", "not_finite"),
        ("9007199254740993", "number_too_large"),
        ("-9007199254740993", "number_too_large"),
        ("1" + "0" * 18, "number_too_large"),
        ("1" + "0" * 30, "number_too_large"),
        ("7" * 5_000, "number_too_large"),
        ("[1]", "nested"),
        ('{"deeper": 1}', "nested"),
        ('"\\ud800"', "not_utf8"),
        ('"a\\u0000b"', "wrong_type"),
        (f'"{"x" * (MAX_STRING + 1)}"', "string_too_long"),
    ],
)
@pytest.mark.parametrize("time", ["", '"ts": 1767225600123456789, ', '"timestamp": "2026-01-01T00:00:00.123456789Z", '])
def test_a_value_that_cant_be_kept_is_refused_alone(bad: str, why: str, time: str) -> None:
    """One bad value costs itself, by its own code: the other metrics are kept, and the sample keeps its time."""
    sample = only(f'{{{time}"bad": {bad}, "good": 1.5, "word": "ok"}}')
    assert sample.values == {"good": 1.5, "word": "ok"}
    assert [(flaw.path, flaw.code) for flaw in sample.refused] == [("bad", why)]
    assert sample.ts_ns == (NOW + 123_456_789 if time else None)


@pytest.mark.parametrize(
    "name", ["user_id", "time", "ts", "values", "a__s", "a__b", "1a", "", "a b", "ä", "a" * 65, "a\n", "\ud800", "\x00"]
)
def test_a_name_that_cant_be_kept_is_refused_alone(name: str) -> None:
    """Reserved, empty, too long or strange names cost one metric, and the letter can name them."""
    sample = only(json.dumps({"timestamp": NOW, "good": 1, name: 2}))
    assert sample.values == {"good": 1.0}
    assert [flaw.code for flaw in sample.refused] == ["bad_metric_name"]
    assert_sound(judged(json.dumps({"timestamp": NOW, "good": 1, name: 2})))


def test_the_empty_name_is_refused_also_where_no_time_was_given() -> None:
    """A metric without a name is not taken for the time that isn't there."""
    assert [flaw.code for flaw in only('{"good": 1, "": 2}').refused] == ["bad_metric_name"]


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        (b"", "not_json"),
        (b"   ", "not_json"),
        (b"hello", "not_json"),
        (b'{"a": 1', "not_json"),
        (b'{"a": 1}}', "not_json"),
        (b"23.5", "not_json"),
        (b"null", "not_json"),
        (b'"text"', "not_json"),
        (b'{"a": "\xff"}', "not_utf8"),
        (b"\xef\xbb\xbf", "not_json"),
        (b"{}", "empty"),
        (b"[]", "empty"),
        (b'{"a": null}', "empty"),
        (b'{"ts": 1767225600}', "empty"),
        (b'{"values": {}}', "empty"),
        (b'{"a": NaN}', "not_finite"),
        (b"7" * 5_000, "not_json"),
        (b"[" * 10_000, "too_deep"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "too_deep"),
        (b'{"a":' * 9 + b"1" + b"}" * 9, "too_deep"),
        (b'{"a": "' + b"x" * 200_000 + b'"}', "too_large"),
        (b"[" + b'{"a":1},' * MAX_SAMPLES + b'{"a":1}]', "too_many_samples"),
        (json.dumps({f"m{n}": n for n in range(MAX_METRICS + 1)}).encode(), "too_many_metrics"),
        (b'{"device_id": "d2", "a": 1}', "device_mismatch"),
        (b'{"device_id": null, "a": 1}', "device_mismatch"),
        (b'{"device_id": ["d1"], "a": 1}', "device_mismatch"),
    ],
)
def test_a_message_that_cant_be_kept_is_one_entry(payload: bytes, why: str) -> None:
    """The whole message is refused once, by the code that tells why."""
    assert code(payload) == why


def test_the_limits_themselves_are_allowed() -> None:
    """The longest message, the most samples, the most metrics, the longest string and the deepest nesting are taken."""
    assert len(only(b'{"a": 1' + b" " * (MAX_PAYLOAD - 8) + b"}").values) == 1
    assert len(judged(b"[" + b",".join([b'{"a":1}'] * MAX_SAMPLES) + b"]").accepted) == MAX_SAMPLES
    most = {"device_id": "d1", "ts": NOW, **{f"m{n}": n for n in range(MAX_METRICS)}}
    assert len(only(json.dumps(most)).values) == MAX_METRICS
    assert only(json.dumps({"a": "é" * (MAX_STRING // 2)})).values == {"a": "é" * (MAX_STRING // 2)}
    assert only('{"good": 1, "a":' + "[" * 7 + "]" * 7 + "}").refused[0].code == "nested"
    assert only(f'{{"a": {2**53}, "b": {-(2**53)}}}').values == {"a": 2.0**53, "b": -(2.0**53)}


def test_brackets_in_strings_are_no_depth() -> None:
    """Only nesting counts; a string may hold whatever brackets and quotes it likes."""
    assert (
        only(json.dumps({"good": 1, "a": '\\"[[[[[[[[[[[[' * 9, "b": [1], "c": "]" * 20})).refused[0].code == "nested"
    )


@pytest.mark.parametrize("payload", [b'"' + b'\\"' * 32_000, b'["' * 21_000, b'{"a":[' + b'"\\\\' * 20_000])
def test_no_message_takes_quadratic_time(payload: bytes) -> None:
    """64 KiB of quotes without an end are refused as quickly as anything else (before: 10 s on the loop)."""
    assert judged(payload).refused[0].code in ("not_json", "too_deep")


def test_numbers_are_floats_always() -> None:
    """Integers, exponents and numbers beyond 64 bits of integer become the float that they are."""
    sample = only('{"a": 55, "b": -0.5e-3, "c": 1e30, "d": -1e300, "e": 0, "f": true, "g": "5"}')
    assert sample.values == {"a": 55.0, "b": -0.0005, "c": 1e30, "d": -1e300, "e": 0.0, "f": True, "g": "5"}
    assert [type(value) for value in sample.values.values()] == [float] * 5 + [bool, str]


@pytest.mark.parametrize(
    ("time", "ns"),
    [
        ("1767225600", NOW),
        ("1767225600.5", NOW + 500_000_000),
        ("1767225600.123456", NOW + 123_456_000),
        ("1767225600123", NOW + 123_000_000),
        ("1767225600123456", NOW + 123_456_000),
        ("1767225600123456789", NOW + 123_456_789),
        ('"2026-01-01T00:00:00Z"', NOW),
        ('"2026-01-01T01:30:00.000000001+01:30"', NOW + 1),
    ],
)
@pytest.mark.parametrize("key", ["timestamp", "ts", "time"])
def test_times_are_read_by_their_magnitude_or_as_iso(time: str, ns: int, key: str) -> None:
    """Seconds, milliseconds, microseconds, nanoseconds or text: the same moment."""
    assert only(f'{{"{key}": {time}, "a": 1}}').ts_ns == ns
    assert only(f'{{"{key}": {time}, "values": {{"a": 1}}}}').ts_ns == ns


@pytest.mark.parametrize(
    "time",
    [
        *("999999999", "0", "-5", "12345.6", "true", "[]", "1e30", "1" * 30, "NaN"),
        *('"yesterday"', '"2026-01-01T00:00:00"', '"1970-01-01T00:00:00Z"', '"2300-01-01T00:00:00Z"'),
    ],
)
def test_what_is_no_time_costs_the_sample(time: str) -> None:
    """A sample with a time that isn't one is not stored at a guessed moment; its neighbour is stored."""
    verdict = judged(f'[{{"ts": {time}, "a": 1}}, {{"a": 2}}]')
    assert [(flaw.path, flaw.code) for flaw in verdict.refused] == [("[0].ts", "bad_timestamp")]
    assert [sample.values for sample in verdict.accepted] == [{"a": 2.0}]


def test_a_time_that_is_null_counts_as_none() -> None:
    """A device without a clock may say so: its sample has the time of its receipt."""
    (sample,) = judged('{"ts": null, "time": null, "a": 1}').accepted
    assert (sample.ts_ns, sample.values) == (None, {"a": 1.0})


def test_only_times_in_the_window_are_believed() -> None:
    """Both ends of the window are allowed, a nanosecond beyond is not."""
    window = Window(NOW - 10, NOW + 5)
    payload = json.dumps([{"ts": NOW + offset, "a": 1} for offset in (-11, -10, 5, 6)])
    verdict = judged(payload, window=window)
    assert [sample.ts_ns for sample in verdict.accepted] == [NOW - 10, NOW + 5]
    assert [(flaw.path, flaw.code) for flaw in verdict.refused] == [
        ("[0].ts", "timestamp_out_of_window"),
        ("[3].ts", "timestamp_out_of_window"),
    ]


def test_the_first_time_key_counts_and_the_others_are_reserved() -> None:
    """`timestamp` before `ts` before `time`; what stands beside it is no metric."""
    sample = only(json.dumps({"time": 1, "ts": 2, "timestamp": NOW, "a": 1}))
    assert (sample.ts_ns, sample.values) == (NOW, {"a": 1.0})
    assert {(flaw.path, flaw.code) for flaw in sample.refused} == {
        ("time", "bad_metric_name"),
        ("ts", "bad_metric_name"),
    }


def test_metrics_inside_values_are_the_sample() -> None:
    """Keys beside `values` are told, not silently dropped; a `values` that is no object is a bad metric."""
    sample = only('{"ts": 1767225600, "device_id": "d1", "values": {"a": 1, "user_id": 2}, "b": 3}')
    assert sample.values == {"a": 1.0}
    assert [(flaw.path, flaw.code) for flaw in sample.refused] == [
        ("values.user_id", "bad_metric_name"),
        ("b", "unknown_metric"),
    ]
    assert only('{"values": 5, "a": 1}').refused[0].code == "bad_metric_name"


def test_a_sample_of_an_array_names_its_place() -> None:
    """What is no object is refused where it stands."""
    verdict = judged('[{"a": 1}, 5, [1], {"b": [2]}, {}]')
    assert [(flaw.path, flaw.code) for flaw in verdict.refused] == [
        ("[1]", "not_json"),
        ("[2]", "nested"),
        ("[3].b", "nested"),
        ("[4]", "empty"),
    ]
    assert len(verdict.accepted) == 1


def test_a_closed_profile_takes_nothing_else() -> None:
    """`knee` declares x, y, z; `environment` is open."""
    sample = only('{"x": 1, "w": 2}', KNEE)
    assert (sample.values, sample.refused[0].code) == ({"x": 1.0}, "unknown_metric")
    assert code('{"w": 2}', KNEE) == "unknown_metric"
    assert only('{"temperature": 1, "w": "2"}', ENVIRONMENT).refused == ()


def test_a_declared_metric_has_its_type_and_range() -> None:
    """The borders belong to the range; another type is refused alone."""
    metrics = {
        "n": Metric(minimum=-1, maximum=1),
        "low": Metric(minimum=0),
        "s": Metric(type="string"),
        "b": Metric(type="boolean"),
    }
    profile = Profile(name="p", measurement="m", metrics=metrics)
    assert only('{"n": -1, "low": 1e300, "s": "x", "b": false}', profile).refused == ()
    wrong = only('{"n": "1", "low": true, "s": 1, "b": "true", "ok": 1}', profile)
    assert {(flaw.path, flaw.code) for flaw in wrong.refused} == {(name, "wrong_type") for name in metrics}
    assert {flaw.code for flaw in only('{"n": 1.01, "low": -1e300, "ok": 1}', profile).refused} == {"out_of_range"}


RFC_8428_5_1_3: Final = """[
  {"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09, "bu":"A","bver":5, "n":"voltage","u":"V","v":120.1},
  {"n":"current","t":-5,"v":1.2}, {"n":"current","t":-4,"v":1.3}, {"n":"current","t":-3,"v":1.4},
  {"n":"current","t":-2,"v":1.5}, {"n":"current","t":-1,"v":1.6}, {"n":"current","v":1.7}]"""


def test_the_packs_of_rfc_8428_are_read() -> None:
    """Section 5.1: single datapoint, multiple datapoints; records of one time are one sample."""
    assert code('[{"n":"urn:dev:ow:10e2073a01080063","u":"Cel","v":23.1}]') == "bad_metric_name"  # a device, no metric
    simple = judged('[{"bn":"urn:dev:ow:10e2073a01080063:","n":"temp","u":"Cel","v":23.1}]')
    assert simple.accepted == [Sample(None, {"temp": 23.1})]
    pack = judged(RFC_8428_5_1_3)
    assert pack.refused == []
    base = 1_276_020_076_001_000_000
    assert {sample.ts_ns: sample.values for sample in pack.accepted} == {
        base: {"voltage": 120.1, "current": 1.7},
        **{base - back * 10**9: {"current": value} for back, value in enumerate((1.6, 1.5, 1.4, 1.3, 1.2), 1)},
    }


def test_small_senml_times_are_relative_to_now() -> None:
    """Below 2**28 seconds a time is an offset from the receipt; before 2001 no clock is set."""
    verdict = judged('[{"n":"a","t":-2.5,"v":1},{"n":"b","t":0,"v":2},{"n":"c","t":300000000,"v":3}]')
    assert [sample.ts_ns for sample in verdict.accepted] == [NOW - 2_500_000_000, NOW]
    assert [flaw.code for flaw in verdict.refused] == ["bad_timestamp"]
    assert [flaw.code for flaw in judged('[{"n":"a","t":-4000000000,"v":1}]').refused] == ["bad_timestamp"]


@pytest.mark.parametrize(
    "pack",
    [
        '[{"bn":"x:","v":1}, 5]',
        '[{"n":"a","v":1},{"n":"b","vd":"AAAA"}]',
        '[{"n":"a","s":1}]',
        '[{"n":"a","v":1,"new_":1}]',
        '[{"bt":"noon","n":"a","v":1}]',
        '[{"bn":"a","bv":"x","v":1}]',
        '[{"bn":5,"v":1}]',
        '[{"bn":"x","n":' + "[" * 900 + "]" * 900 + ',"v":1}]',
    ],
)
def test_a_pack_that_cant_be_resolved_is_one_entry(pack: str) -> None:
    """Base values reach through all records: one that can't be read makes the pack unreadable."""
    assert code(pack) == "bad_senml"


def test_senml_values_are_judged_as_others_are() -> None:
    """Sums beyond the floats, NaN and reserved names cost themselves alone."""
    sample = only('[{"bn":"x:","bv":1.7e308,"n":"sum","v":1.7e308},{"n":"user_id","vs":"1"},{"n":"ok","vb":true}]')
    assert sample.values == {"ok": True}
    assert [(flaw.path, flaw.code) for flaw in sample.refused] == [
        ("sum", "not_finite"),
        ("user_id", "bad_metric_name"),
    ]
    assert only('[{"n":"bad","v":NaN},{"n":"ok","v":1}]').refused[0].code == "not_finite"
    assert code('[{"bn":"x"}]') == "empty"


@settings(max_examples=50)
@given(st.dictionaries(st.from_regex(NAME, fullmatch=True), st.floats(allow_nan=False, allow_infinity=False)))
def test_what_a_well_behaved_device_sends_is_kept_to_the_bit(sent: dict[str, float]) -> None:
    """Finite floats come out as they went in."""
    metrics = {f"m{position}": value for position, value in enumerate(sent.values())}
    assert only(orjson.dumps({"ok": 1, **metrics})).values == {"ok": 1.0, **metrics}
