"""SenML packs: base values, relative names and times, as RFC 8428 has them."""

from typing import Any

import pytest

from shared.senml import BadSenML, is_senml, resolve


def samples(*records: Any) -> list[tuple[int | float | None, dict[str, Any]]]:
    return list(resolve(records).samples)


@pytest.mark.parametrize("first", [{"bn": "x"}, {"bt": 1}, {"bver": 5}, {"n": "a", "v": 1}, {"n": "a", "vs": "x"}])
def test_a_pack_is_told_by_its_keys(first: dict[str, Any]) -> None:
    """A base field, or a name together with a value."""
    assert is_senml([first])


@pytest.mark.parametrize("other", [[], {}, [5], [{"n": 1}], [{"temperature": 1}], [{"v": 1, "t": 5}], None])
def test_what_has_none_of_these_keys_is_no_pack(other: Any) -> None:
    """Our own arrays of samples are not taken for SenML."""
    assert not is_senml(other)


def test_base_values_hold_until_the_next_one() -> None:
    """RFC 8428 4.1: base time and base value are added, from their record on, until they are given again."""
    found = samples(
        {"bn": "urn:d:", "bt": 100, "bv": 10, "n": "a", "v": 1},
        {"n": "a", "t": 5, "v": 2},
        {"bt": 200, "bv": 0, "n": "a", "v": 3},
    )
    assert found == [(100, {"a": 11}), (105, {"a": 12}), (200, {"a": 3})]


def test_records_of_one_time_are_one_sample() -> None:
    """Also when they are not neighbours; the last of one name wins."""
    found = samples({"n": "a", "t": 1, "v": 1}, {"n": "b", "t": 2, "v": 2}, {"n": "c", "t": 1, "vb": True})
    assert found == [(1, {"a": 1, "c": True}), (2, {"b": 2})]
    assert samples({"n": "a", "v": 1}, {"n": "a", "v": 2}) == [(None, {"a": 2})]


def test_a_record_without_a_name_of_its_own_takes_the_end_of_the_base_name() -> None:
    """`urn:dev:ow:1:temperature` tells the metric after the last colon."""
    assert samples({"bn": "urn:dev:ow:1:temperature", "v": 1}) == [(None, {"temperature": 1})]


def test_integers_stay_integers() -> None:
    """Seconds as integers are not rounded by a float on the way."""
    (time, metrics), = samples({"bt": 1_767_225_600, "n": "a", "t": 1, "v": 1})  # fmt: skip
    assert (type(time), type(metrics["a"])) == (int, int)


@pytest.mark.parametrize(
    ("record", "why"),
    [
        (5, "record 1 is no object"),
        ({"n": "a", "vd": "AA=="}, "record 1 has neither"),
        ({"n": "a", "t": "now", "v": 1}, "record 1 has a time that is no number"),
        ({"n": "a", "t": True, "v": 1}, "record 1 has a time that is no number"),
        ({"n": ["a"], "v": 1}, "record 1 has a name that is no string"),
        ({"n": "a", "bv": None, "v": 1}, "record 1 has a base value that is no number"),
        ({"n": "a", "v": 1, "x_": 1}, "record 1 has 'x_', which must be understood"),
    ],
)
def test_what_cant_be_resolved_is_named(record: Any, why: str) -> None:
    """The record's place and the reason."""
    with pytest.raises(BadSenML, match=why):
        resolve([{"n": "ok", "v": 1}, record])
