"""The motion of a knee: magnitude, range, repetitions."""

import math
from array import array

from hypothesis import given
from hypothesis import strategies as st

from services.api.analytics.knee import magnitude, peaks, range_of_motion, repetitions


def prominence_of(values: list[int], index: int) -> int:
    """By its definition: how far one must go down, on the side where it is less, to get to a higher place."""
    left, right = values[:index][::-1], values[index + 1 :]
    return min(values[index] - lowest_before_higher(side, values[index]) for side in (left, right))


def lowest_before_higher(side: list[int], height: int) -> int:
    lowest = height
    for value in side:
        if value > height:
            break
        lowest = min(lowest, value)
    return lowest


@given(st.lists(st.integers(-50, 50), unique=True, max_size=40), st.integers(1, 60))
def test_peaks_are_those_of_that_prominence(values: list[int], wanted: int) -> None:
    """The same as by the definition, place by place."""
    expected = [index for index in range(len(values)) if prominence_of(values, index) >= wanted]
    assert peaks([float(value) for value in values], wanted) == expected


def test_a_flat_top_is_one_peak() -> None:
    """And so is one with a small dent."""
    assert peaks([0.0, 5.0, 5.0, 5.0, 0.0], 3) == [1]
    assert peaks([0.0, 5.0, 4.5, 5.0, 0.0], 3) == [1]
    assert peaks([5.0, 0.0, 5.0], 3) == []
    assert peaks([], 3) == []


def test_bends_are_counted_through_noise() -> None:
    """Twelve bends of two seconds at 50 Hz, with a tremor of a tenth."""
    times = [number * 20_000_000 for number in range(1_200)]
    swing = array("d", (9.8 - 4 * math.cos(math.pi * t / 1e9) + 0.4 * math.sin(t / 3e6) for t in times))
    found = repetitions(times, swing)
    assert len(found.peaks_ns) == 12
    assert found.seconds_each is not None
    assert abs(found.seconds_each - 2) < 0.1
    assert repetitions(times, swing, prominence=20.0).peaks_ns == []


def test_a_knee_that_does_not_move() -> None:
    """No repetition, and nothing to divide by."""
    still = repetitions([1, 2, 3], array("d", [1.0, 1.0, 1.0]))
    assert (still.peaks_ns, still.prominence, still.seconds_each) == ([], 0.0, None)
    assert range_of_motion(array("d", [2.0, -1.0])) == 3.0


def test_the_magnitude_needs_all_three() -> None:
    """Numbers, and neither words nor more than a float holds."""
    assert magnitude({"x": 2.0, "y": 3.0, "z": 6.0}) == 7.0
    assert magnitude({"x": 2.0, "y": 3.0}) is None
    assert magnitude({"x": 2.0, "y": 3.0, "z": True}) is None
    assert magnitude({"x": 1.5e308, "y": 1.5e308, "z": 0.0}) is None
