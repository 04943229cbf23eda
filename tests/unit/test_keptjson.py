"""JSON that is kept takes what it is long, however much room its encoder leaves."""

import tracemalloc

import orjson
import pytest

from shared.keptjson import kept_json


@pytest.mark.parametrize("value", [None, {}, {"b": 1.5, "a": "ü"}, ["x" * 5_000], list(range(1_000))])
def test_the_same_as_orjson_writes(value: object) -> None:
    """To the byte."""
    assert kept_json(value) == orjson.dumps(value)
    assert kept_json(value, option=orjson.OPT_SORT_KEYS) == orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def test_what_orjson_does_not_know_is_asked_for() -> None:
    """As `default` says."""
    assert kept_json({"a": b"x"}, bytes.decode) == b'{"a":"x"}'


def test_a_thousand_small_ones_take_little() -> None:
    """Fewer than 100 bytes each, where orjson's own take 4 KB."""
    tracemalloc.start()
    try:
        kept = [kept_json({"temperature": 20.5}) for _ in range(1_000)]
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(kept) == 1_000
    assert size < 100_000
