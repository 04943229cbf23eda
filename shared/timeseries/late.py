"""Readings that came late: committed long after their own time, so that who resumes must look for them further back."""

from collections.abc import Sequence
from operator import itemgetter
from typing import Final

from shared.readings import Reading
from shared.timeseries.store import LateRange

# what a resume looks back in event time anyway
LATE_NS: Final = 60_000_000_000
_time: Final = itemgetter(3)


def late_ranges(readings: Sequence[Reading], committed_ns: int) -> list[LateRange]:
    """One range per device and owner that have readings committed more than 60 s after their own time."""
    latest = committed_ns - LATE_NS
    if not readings or min(map(_time, readings)) >= latest:
        return []  # nearly always
    late: dict[tuple[str, int], list[int]] = {}
    for device_id, user_id, _, ts_ns, _ in readings:
        if ts_ns < latest:
            late.setdefault((device_id, user_id), []).append(ts_ns)
    return [LateRange(*owner, min(times), max(times) + 1, len(times)) for owner, times in late.items()]
