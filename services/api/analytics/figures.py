"""What can be said of a set of numbers: mean, spread, quantiles, distribution, change. Pure.

Exact to the last digits for any finite floats, also those whose sum or square is beyond a float.
"""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import accumulate, pairwise
from math import frexp, fsum, inf, isfinite, ldexp, sqrt
from typing import Final, NamedTuple

# sorting is one call that nothing else can interrupt: a million numbers would hold the whole process for half a second
_SORT_AT_ONCE: Final = 50_000
# beyond 2^±300 a square may leave the range of a float
_EXTREME: Final = 300


@dataclass(frozen=True, slots=True)
class Figures:
    """Of the readings in a window: all in the metric's own unit.

    `stddev` is the sample's, None for a single reading; `p95` is the nearest rank: sorted[floor(0.95 n + 0.5) - 1].
    """

    count: int
    mean: float
    min: float
    max: float
    stddev: float | None
    median: float
    p95: float

    @property
    def told(self) -> dict[str, float | None]:
        return {name: getattr(self, name) for name in self.__slots__}


class Histogram(NamedTuple):
    """`edges` has one more than `counts`; a bin takes its lower edge and leaves its upper one, but for the last."""

    edges: list[float]
    counts: list[int]


class Change(NamedTuple):
    """Per second, in the metric's unit; `mean_per_s` from the first to the last reading, the others between neighbours.

    None where there are no two readings at different times.
    """

    mean_per_s: float | None
    max_rise_per_s: float | None
    max_fall_per_s: float | None


def ordered(values: Sequence[float]) -> list[float]:
    """Sorted, in pieces that leave other threads their turn."""
    if len(values) <= _SORT_AT_ONCE:
        return sorted(values)
    starts = range(0, len(values), _SORT_AT_ONCE)
    return list(merge(*(sorted(values[start : start + _SORT_AT_ONCE]) for start in starts)))


def figures(ascending: Sequence[float]) -> Figures:
    """Of sorted numbers, at least one."""
    count, low, high = len(ascending), ascending[0], ascending[-1]
    mean, stddev = _moments(ascending, low, high)
    rank = (95 * count + 50) // 100 - 1  # floor(0.95 n + 0.5) - 1, in integers
    return Figures(count, mean, low, high, stddev, _median(ascending), ascending[rank])


def mean_of(values: Sequence[float]) -> float:
    """Of at least one number, in any order."""
    low, high = min(values), max(values)
    exponent = _exponent(low, high)
    return _mean(_scaled(values, exponent), exponent, low, high)


def histogram(ascending: Sequence[float], bins: int) -> Histogram:
    """Equally wide bins from the least to the greatest of sorted numbers; one bin if all are equal."""
    low, high = ascending[0], ascending[-1]
    if low == high:
        return Histogram([low, high], [len(ascending)])
    # rounding must not let an edge fall behind the one before
    inner = accumulate((low * (1 - part / bins) + high * (part / bins) for part in range(1, bins)), max)
    edges = [low, *(min(edge, high) for edge in inner), high]
    places = [0, *(bisect_left(ascending, edge) for edge in edges[1:-1]), len(ascending)]
    return Histogram(edges, [after - before for before, after in pairwise(places)])


def change(times_ns: Sequence[int], values: Sequence[float]) -> Change:
    """How quickly the value moved; `times_ns` ascend."""
    if not times_ns or times_ns[0] == times_ns[-1]:
        return Change(None, None, None)
    whole = _slope((times_ns[0], values[0]), (times_ns[-1], values[-1]))
    rise, fall = -inf, inf
    for before, after in pairwise(zip(times_ns, values, strict=True)):
        if before[0] != after[0]:
            slope = _slope(before, after)
            rise, fall = max(rise, slope), min(fall, slope)
    return Change(whole, rise, fall)


def difference(one: Figures, other: Figures) -> dict[str, float | None]:
    """`one` minus `other`, figure by figure; None where either has none."""
    then = other.told
    return {name: _less(value, then[name]) for name, value in one.told.items()}


def _less(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other


def _slope(before: tuple[int, float], after: tuple[int, float]) -> float:
    return (after[1] - before[1]) / ((after[0] - before[0]) / 1e9)


def _median(ascending: Sequence[float]) -> float:
    half, odd = divmod(len(ascending), 2)
    if odd:
        return ascending[half]
    low, high = ascending[half - 1], ascending[half]
    middle = (low + high) / 2
    return middle if isfinite(middle) else low / 2 + high / 2


def _moments(values: Sequence[float], low: float, high: float) -> tuple[float, float | None]:
    exponent = _exponent(low, high)
    scaled, count = _scaled(values, exponent), len(values)
    mean = _mean(scaled, exponent, low, high)
    if count == 1:
        return mean, None
    about = ldexp(mean, -exponent)
    apart = [value - about for value in scaled]
    # the mean is rounded: what that adds is taken away again
    variance = (fsum(each * each for each in apart) - fsum(apart) ** 2 / count) / (count - 1)
    return mean, _grown(sqrt(max(variance, 0.0)), exponent)


def _mean(scaled: Sequence[float], exponent: int, low: float, high: float) -> float:
    # rounding must not carry it past the numbers that it is the mean of
    return min(max(ldexp(fsum(scaled) / len(scaled), exponent), low), high)


def _exponent(low: float, high: float) -> int:
    exponent = frexp(max(abs(low), abs(high)))[1]
    return exponent if abs(exponent) > _EXTREME else 0


def _scaled(values: Iterable[float], exponent: int) -> Sequence[float]:
    if exponent:
        return [ldexp(value, -exponent) for value in values]
    return values if isinstance(values, Sequence) else list(values)


def _grown(value: float, exponent: int) -> float:
    try:
        return ldexp(value, exponent)
    except OverflowError:
        return inf
