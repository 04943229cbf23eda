"""How much to ask a store for at once, so that one page of an answer reads about as much as it may. Pure.

Nobody knows how dense a device's readings are before they are read. So the first question is small, each next one is
larger by what the last ones turned out to hold, and the page ends when its allowance is used up.
"""

from collections.abc import Sequence
from typing import Final

from shared.timeseries.calendar import Run

# what a device is thought to send at most, until it is known
_VALUES_PER_S: Final = 10
_GROWTH: Final = 8


class Pace:
    """`left`: how many values this page may still read. A piece is so many windows of so many devices."""

    def __init__(self, allowance: int, runs: Sequence[Run]) -> None:
        self.left = allowance
        self._read = self._pieces = 0
        widest_s = max(run.width_ns for run in runs) / 1e9
        self._next = max(1.0, allowance / _VALUES_PER_S / widest_s)

    @property
    def size(self) -> int:
        """How many windows to ask for, over all devices of the question."""
        size = self._next
        if self._read:
            size = min(size, self.left * self._pieces / self._read)
        return max(1, int(size))

    def took(self, windows: int, values: int) -> None:
        """So many windows were read, and this is what they held."""
        self._read += values
        self._pieces += windows
        self.left -= values
        self._next = max(self._next, windows * _GROWTH)


def part_of(runs: Sequence[Run], first: int, number: int) -> list[Run]:
    """So many windows from the `first`-th on."""
    found = []
    for run in runs:
        skipped = min(max(first, 0), run.number)
        taken = min(run.number - skipped, number)
        if taken > 0:
            found.append(Run(run.start_ns + skipped * run.width_ns, run.width_ns, taken))
        first, number = first - run.number, number - max(taken, 0)
    return found


def number_of(runs: Sequence[Run]) -> int:
    """How many windows."""
    return sum(run.number for run in runs)
