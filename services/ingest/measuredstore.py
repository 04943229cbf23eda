"""The time-series store as the writer sees it, and a clock beside it."""

import time
from collections.abc import Sequence

from services.ingest.metrics import Instruments
from services.ingest.stages import in_steps
from shared.readings import ReadingBatch
from shared.timeseries.store import Sink


class MeasuredStore:
    """A Sink: each write is measured, by what came of it."""

    def __init__(self, store: Sink, instruments: Instruments) -> None:
        self._store = store
        self._instruments = instruments

    async def write(self, batches: Sequence[ReadingBatch]) -> None:
        begun, outcome = time.perf_counter(), "stored"
        try:
            await in_steps("write", self._store.write(batches))
        except BaseException as error:
            outcome = type(error).__name__.lower()
            raise
        else:
            stored_ns = time.time_ns()
            for batch in batches:
                self._instruments.latency.note("store", (stored_ns - batch.committed_ns) / 1e9)
        finally:
            self._instruments.write_s.labels(outcome).observe(time.perf_counter() - begun)
            self._instruments.write_readings.observe(sum(len(batch.readings) for batch in batches))
