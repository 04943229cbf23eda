"""Identifiers: the pattern by which ingest judges and the type by which pydantic does are the same rule."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from shared.identifiers import DeviceId, MetricName, UserId, is_device_id, is_metric_name

device_id, metric_name, user_id = TypeAdapter(DeviceId), TypeAdapter(MetricName), TypeAdapter(UserId)
near = st.text("ab9._:-A \nä/+#", max_size=6) | st.integers(60, 132).map(lambda length: "a" * length)


def taken(adapter: TypeAdapter[str], value: str) -> bool:
    try:
        adapter.validate_python(value)
    except ValidationError:
        return False
    return True


@given(near)
def test_both_ways_to_ask_give_the_same_answer(value: str) -> None:
    """Also before a final newline, and at the longest length."""
    assert taken(device_id, value) == bool(is_device_id(value))
    assert taken(metric_name, value) == bool(is_metric_name(value))


@pytest.mark.parametrize("value", ["d1", "0", "a" * 128, "urn:dev:x", "A.b_c-d"])
def test_good_device_ids(value: str) -> None:
    """Letters, digits and `._:-`, beginning with a letter or a digit."""
    assert is_device_id(value)


@pytest.mark.parametrize("value", ["", "_a", "a" * 129, "a/b", "a+", "a#", "a b", "a\n", "é"])
def test_bad_device_ids(value: str) -> None:
    """Nothing that could be a wildcard, a level or a trick."""
    assert not is_device_id(value)


def test_user_ids_begin_at_one() -> None:
    """0 and below are nobody."""
    assert user_id.validate_python(1) == 1
    with pytest.raises(ValidationError):
        user_id.validate_python(0)
