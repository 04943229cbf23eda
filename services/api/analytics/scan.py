"""Reading a range whole, within a budget of points."""

import asyncio
from typing import Final

from services.api.analytics.recording import Recording
from services.api.errors import BadRequest
from services.api.transfer.history import pages
from shared.timeseries.store import RawQuery, TimeSeriesStore

PAGE: Final = 10_000


class Budget:
    """How many points one request may still read: one metric of one reading is a point."""

    def __init__(self, points: int) -> None:
        self._points = points
        self.spent = 0

    def spend(self, points: int) -> None:
        """Raises BadRequest with the mend once there is no more."""
        self.spent += points
        if self.spent > self._points:
            raise BadRequest(
                f"This takes more than {self._points} points: ask for fewer devices or metrics, or a shorter range "
                "(or raise TELEMETRIO_MAX_POINTS_SCANNED)",
                "too_many_points",
                field="devices",
            )


async def record(store: TimeSeriesStore, wanted: RawQuery, budget: Budget) -> Recording:
    """All readings of a range, by metric; raises Unavailable, or BadRequest if the budget doesn't reach."""
    made = Recording()
    async for readings in pages(store, [wanted.device_id], wanted):
        budget.spend(sum(len(reading.values) for reading in readings))
        await asyncio.to_thread(made.take, readings)
    return made
