"""Fewer points that draw the same line: which of a series' points to show. Pure."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final, Literal

from shared.readings import Value

Method = Literal["lttb", "minmax"]

# the first, the last, and one of each extreme
FEWEST: Final = 4


def chosen(times: Sequence[int], values: Sequence[Value], most: int, method: Method) -> Sequence[int]:
    """Positions of at most `most` points, in order, always with the first and the last; all of them if they are few.

    Words have no shape: of strings and booleans evenly spaced ones are taken.
    """
    if len(times) <= most:
        return range(len(times))
    numbers = [value for value in values if isinstance(value, float)]
    if len(numbers) < len(values):
        return [place * (len(times) - 1) // (most - 1) for place in range(most)]
    return lttb(times, numbers, most) if method == "lttb" else minmax(numbers, most)


def lttb(times: Sequence[int], values: Sequence[float], most: int) -> list[int]:
    """Largest Triangle Three Buckets (Steinarsson 2013): of each bucket the point that stands out most.

    That is the one whose triangle with the point chosen before it and the mean of the next bucket is the largest.
    """
    begin, last = times[0], len(times) - 1
    across = [float(at - begin) for at in times]
    edges = [1 + place * (last - 1) // (most - 2) for place in range(most - 1)] + [len(times)]
    found = [0]
    for low, high, after in zip(edges, edges[1:], edges[2:], strict=False):
        size = after - high
        mean_x, mean_y = sum(across[high:after]) / size, sum(values[high:after]) / size
        x, y = across[found[-1]], values[found[-1]]
        width, height = x - mean_x, mean_y - y
        # the area without its constant half
        areas = [
            abs(width * (value - y) - (x - at) * height)
            for at, value in zip(across[low:high], values[low:high], strict=True)
        ]
        found.append(low + areas.index(max(areas)))
    return [*found, last]


def minmax(values: Sequence[float], most: int) -> list[int]:
    """Of each bucket its lowest and its highest point: no peak is lost, however short."""
    last, buckets = len(values) - 1, (most - 2) // 2
    edges = [1 + place * (last - 1) // buckets for place in range(buckets + 1)]
    found = {0, last}
    for low, high in pairwise(edges):
        inside = range(low, high)
        found |= {min(inside, key=values.__getitem__), max(inside, key=values.__getitem__)}
    return sorted(found)
