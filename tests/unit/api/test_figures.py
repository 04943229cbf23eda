"""Figures against plain Python's own, for any floats."""

import math
import statistics
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.api.analytics.figures import (
    Figures,
    change,
    difference,
    figures,
    histogram,
    mean_of,
    ordered,
)

finite = st.floats(allow_nan=False, allow_infinity=False)
some = st.lists(finite, min_size=1, max_size=60)
# as sensors send them: many alike, close together, far from zero
sensed = st.lists(
    st.builds(lambda base, step: base + step / 128, st.sampled_from([0.0, 23.5, 1e9]), st.integers(-50, 50)),
    min_size=1,
    max_size=60,
)


@settings(deadline=None)
@given(some | sensed)
def test_figures_are_those_of_plain_python(values: list[float]) -> None:
    """Mean and standard deviation to 1e-9, everything else to the bit."""
    found = figures(sorted(values))
    exact = float(statistics.mean(map(Fraction, values)))
    assert found.mean == pytest.approx(exact, rel=1e-9, abs=0)
    assert mean_of(values) == pytest.approx(exact, rel=1e-9, abs=0)
    assert (found.count, found.min, found.max) == (len(values), min(values), max(values))
    assert found.p95 == sorted(values)[math.floor(0.95 * len(values) + 0.5) - 1]
    middle = statistics.median(map(Fraction, values))
    assert found.median == pytest.approx(float(middle), rel=1e-15, abs=0)


@settings(deadline=None)
@given(some | sensed)
def test_the_spread_is_that_of_the_sample(values: list[float]) -> None:
    """None for one value, 0 for equal ones, exact for numbers that differ in their last digit only."""
    found = figures(sorted(values)).stddev
    if len(values) == 1:
        assert found is None
        return
    assert found is not None
    variance = statistics.variance(map(Fraction, values))
    scale = max(map(abs, values)) or 1.0
    exact = math.sqrt(variance / Fraction(scale) ** 2)
    wanted = exact * scale
    # of subnormal numbers there are no nine digits
    assert found == pytest.approx(wanted, rel=1e-9, abs=1e-320)


@settings(deadline=None)
@given(some | sensed)
def test_no_figure_is_outside_of_its_values(values: list[float]) -> None:
    """Rounding carries neither mean nor median past the least or the greatest."""
    found = figures(sorted(values))
    for figure in (found.mean, found.median, found.p95):
        assert found.min <= figure <= found.max


@settings(deadline=None)
@given(some | sensed, st.integers(1, 100))
def test_a_histogram_counts_every_value_once(values: list[float], bins: int) -> None:
    """In the bin between whose edges it lies; the last one takes the greatest."""
    found = histogram(sorted(values), bins)
    assert len(found.edges) == len(found.counts) + 1
    assert found.edges == sorted(found.edges)
    assert (found.edges[0], found.edges[-1]) == (min(values), max(values))
    last = len(found.counts) - 1
    for index, count in enumerate(found.counts):
        low, high = found.edges[index], found.edges[index + 1]
        above = [value for value in values if value >= low or index == 0]
        assert count == sum(value < high or index == last for value in above) or low == high


def test_numbers_that_differ_in_their_last_digit() -> None:
    """Their spread is not lost in the rounding of their mean, and no edge of a bin falls behind another."""
    one, next_one = 1.0, math.nextafter(1.0, 2.0)
    assert figures([one, next_one]).stddev == pytest.approx((next_one - one) / math.sqrt(2), rel=1e-9, abs=0)
    for low in (0.1, 0.3, 0.7, 23.5, 1e300):
        high = low
        for _ in range(7):
            high = math.nextafter(high, math.inf)
            found = histogram([low, high], 100)
            assert (found.edges, sum(found.counts), min(found.counts)) == (sorted(found.edges), 2, 0)


def test_the_bins_are_equally_wide() -> None:
    """0 to 10 in five of two."""
    found = histogram([0.0, 1.9, 2.0, 9.0, 10.0], 5)
    assert found == ([0.0, 2.0, 4.0, 6.0, 8.0, 10.0], [2, 1, 0, 0, 2])
    assert histogram([3.0, 3.0], 5) == ([3.0, 3.0], [2])


def test_change_is_per_second() -> None:
    """From first to last, and the steepest way up and down between neighbours."""
    times = [0, 2_000_000_000, 2_000_000_000, 3_000_000_000]
    assert change(times, [1.0, 5.0, 9.0, 4.0]) == (1.0, 2.0, -5.0)


@pytest.mark.parametrize(("times", "values"), [([], []), ([5], [1.0]), ([5, 5], [1.0, 2.0])])
def test_no_change_without_two_moments(times: list[int], values: list[float]) -> None:
    """None, and no division by nothing."""
    assert change(times, values) == (None, None, None)


@given(st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), finite), max_size=20))
def test_change_takes_any_numbers(pairs: list[tuple[int, float]]) -> None:
    """No float is too large to be asked about."""
    pairs.sort(key=lambda pair: pair[0])
    change([time for time, _ in pairs], [value for _, value in pairs])


def test_many_values_are_sorted_in_pieces() -> None:
    """The same as at once."""
    values = [float(number * 7_919 % 120_011) for number in range(120_011)]
    assert ordered(values) == [float(number) for number in range(120_011)]


def test_the_difference_of_figures() -> None:
    """Figure by figure; where one has no spread there is none."""
    one, other = figures([1.0, 3.0]), figures([5.0])
    assert difference(one, other) == {
        "count": 1,
        "mean": -3.0,
        "min": -4.0,
        "max": -2.0,
        "stddev": None,
        "median": -3.0,
        "p95": -2.0,
    }
    assert figures([1.0, 3.0]) == Figures(2, 2.0, 1.0, 3.0, math.sqrt(2), 2.0, 3.0)
