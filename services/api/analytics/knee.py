"""The motion of a knee from readings x, y and z. Pure.

All figures are in the sensor's own unit, whatever it measures: nothing here takes x, y and z for an acceleration or an
angle.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import hypot, inf
from statistics import median
from typing import Final, NamedTuple

from shared.readings import Values

AXES: Final = ("x", "y", "z")
MAGNITUDE: Final = "magnitude"
# of the whole range of the magnitude: what a repetition has to rise and fall by, if nobody says
_DEFAULT_SHARE: Final = 1 / 3


class Repetitions(NamedTuple):
    """`peaks_ns`: when; `prominence`: what the magnitude had to rise and fall by; `seconds_each`: the median gap."""

    peaks_ns: list[int]
    prominence: float
    seconds_each: float | None


def magnitude(values: Values) -> float | None:
    """sqrt(x² + y² + z²); None unless all three are numbers."""
    x, y, z = (values.get(axis) for axis in AXES)
    if type(x) is float and type(y) is float and type(z) is float:
        found = hypot(x, y, z)
        return found if found < inf else None
    return None


def range_of_motion(values: Sequence[float]) -> float:
    """The greatest minus the least."""
    return max(values) - min(values)


def repetitions(times_ns: Sequence[int], magnitudes: Sequence[float], prominence: float | None = None) -> Repetitions:
    """One for each peak of the magnitude; without a `prominence` a third of its range is asked for.

    A knee at rest has a range too, of noise: give a prominence where there may be nothing to count.
    """
    wanted = range_of_motion(magnitudes) * _DEFAULT_SHARE if prominence is None else prominence
    found = [times_ns[index] for index in peaks(magnitudes, wanted)] if wanted > 0 else []
    gaps = [(after - before) / 1e9 for before, after in pairwise(found)]
    return Repetitions(found, wanted, median(gaps) if gaps else None)


def peaks(values: Sequence[float], prominence: float) -> list[int]:
    """Where the values are highest between a rise and a fall of at least `prominence` (above 0) each.

    These are the peaks whose prominence is at least that: from each one has to go down so far on both sides to reach a
    higher place. Of several equal tops without such a fall between them the first counts. One pass.
    """
    found: list[int] = []
    low, top, at = inf, inf, -1  # at < 0: looking for a rise
    for index, value in enumerate(values):
        if at < 0:
            low = min(low, value)
            if value - low >= prominence:
                top, at = value, index
        elif value > top:
            top, at = value, index
        elif top - value >= prominence:
            found.append(at)
            low, at = value, -1
    return found
