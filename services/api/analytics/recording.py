"""What one device measured in a range, metric by metric, in 16 bytes a point. Pure."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from services.api.analytics.knee import AXES, MAGNITUDE, magnitude
from shared.profiles import KNEE
from shared.readings import Reading

_NS_PER_MINUTE: Final = 60_000_000_000


@dataclass(slots=True)
class Column:
    """The numbers of one metric in order of time."""

    times_ns: "array[int]" = field(default_factory=lambda: array("q"))
    values: "array[float]" = field(default_factory=lambda: array("d"))

    def add(self, ts_ns: int, value: float) -> None:
        self.times_ns.append(ts_ns)
        self.values.append(value)


@dataclass(slots=True)
class Recording:
    """`columns` has the numbers; of a knee also their magnitude. `minutes`: those in which anything was measured."""

    columns: dict[str, Column] = field(default_factory=dict)
    minutes: set[int] = field(default_factory=set)

    def take(self, readings: Sequence[Reading]) -> None:
        """Readings in order of time, all later than those taken before."""
        for _, _, measurement, ts_ns, values in readings:
            self.minutes.add(ts_ns // _NS_PER_MINUTE)
            for metric, value in values.items():
                if type(value) is float:
                    self._column(metric).add(ts_ns, value)
            if measurement == KNEE.measurement and MAGNITUDE not in values:
                length = magnitude(values)
                if length is not None:
                    self._column(MAGNITUDE).add(ts_ns, length)

    @property
    def is_knee(self) -> bool:
        """Whether x, y and z were measured together."""
        return MAGNITUDE in self.columns and all(axis in self.columns for axis in AXES)

    def _column(self, metric: str) -> Column:
        found = self.columns.get(metric)
        if found is None:
            found = self.columns[metric] = Column()
        return found
