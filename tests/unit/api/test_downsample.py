"""Which points draw the same line."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.api.readings.downsample import FEWEST, Method, chosen, lttb, minmax

lines = st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=200)
sizes = st.integers(FEWEST, 50)
methods = st.sampled_from(["lttb", "minmax"])


def at(values: list[float]) -> list[int]:
    return [number * 10**9 for number in range(len(values))]


@given(lines, sizes, methods)
def test_points_are_a_choice_of_those_that_were_sent(values: list[float], most: int, method: Method) -> None:
    """In order, none twice, the first and the last among them, never more than asked for, and all if they are few."""
    found = list(chosen(at(values), values, most, method))
    assert found == sorted(set(found))
    assert len(found) <= most
    if len(values) <= most:
        assert found == list(range(len(values)))
    else:
        assert (found[0], found[-1]) == (0, len(values) - 1)


@given(lines, sizes)
def test_no_peak_is_lost_by_minmax(values: list[float], most: int) -> None:
    """The highest and the lowest value are shown, however short they were."""
    shown = [values[place] for place in chosen(at(values), values, most, "minmax")]
    if values:
        assert (min(shown), max(shown)) == (min(values), max(values))


@given(lines, sizes)
def test_lttb_gives_as_many_as_it_may(values: list[float], most: int) -> None:
    """One of each bucket."""
    assert len(chosen(at(values), values, most, "lttb")) == min(most, len(values))


def test_lttb_keeps_a_spike() -> None:
    """Of a flat line with one point that stands out, that one."""
    values = [0.0] * 1_000
    values[617] = 5.0
    assert 617 in lttb(at(values), values, 20)


def test_lttb_is_what_its_author_published() -> None:
    """A plain transcription of the reference implementation chooses the same points of a wave."""
    values = [math.sin(number / 7) + math.cos(number / 3) for number in range(500)]
    times = at(values)
    assert lttb(times, values, 42) == reference(times, values, 42)


def reference(times: list[int], values: list[float], threshold: int) -> list[int]:
    every = (len(values) - 2) // (threshold - 2), (len(values) - 2) % (threshold - 2)
    bounds = [1 + (place * (len(values) - 2)) // (threshold - 2) for place in range(threshold - 1)]
    assert every[0] >= 1
    picked = [0]
    for place in range(threshold - 2):
        end = bounds[place + 2] if place + 2 < len(bounds) else len(values)
        following = range(bounds[place + 1], end)
        mean_x = sum(times[number] for number in following) / len(following)
        mean_y = sum(values[number] for number in following) / len(following)
        best, best_area = bounds[place], -1.0
        for number in range(bounds[place], bounds[place + 1]):
            across = (times[picked[-1]] - mean_x) * (values[number] - values[picked[-1]])
            up = (times[picked[-1]] - times[number]) * (mean_y - values[picked[-1]])
            area = abs(across - up) / 2
            if area > best_area:
                best, best_area = number, area
        picked.append(best)
    return [*picked, len(values) - 1]


@pytest.mark.parametrize("method", ["lttb", "minmax"])
def test_words_are_spaced_evenly(method: Method) -> None:
    """They have no shape."""
    words = [str(number) for number in range(100)]
    assert list(chosen(range(100), words, 4, method)) == [0, 33, 66, 99]
    assert list(chosen(range(100), [*words[:-1], 5.0], 4, method)) == [0, 33, 66, 99]


def test_what_is_too_large_for_a_float_is_no_error() -> None:
    """Areas beyond 1.8e308 choose some point of the bucket."""
    values = [1.7e308, -1.7e308] * 50
    assert len(lttb(at(values), values, 10)) == 10
    assert len(minmax(values, 10)) <= 10
