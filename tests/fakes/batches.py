"""Readings as committed batches: what a store is given."""

from collections.abc import Sequence

from shared.readings import Reading, ReadingBatch
from shared.timeseries.store import TimeSeriesStore


def committed(readings: Sequence[Reading], committed_ns: int = 0, seq: int = 1) -> ReadingBatch:
    """One row; committed at the beginning of time, nothing in it is late."""
    return ReadingBatch("ingest", "e", seq, seq - 1, 0, committed_ns, readings)


async def write(store: TimeSeriesStore, readings: Sequence[Reading], committed_ns: int = 0) -> None:
    """One batch in one write."""
    await store.write([committed(readings, committed_ns)])
