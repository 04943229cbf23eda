"""All readings of some devices, page by page: device by device, each from its oldest to its newest."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Final

from shared.readings import Reading
from shared.timeseries.store import RawQuery, TimeSeriesStore

# what is in memory at once; larger pages are not quicker
PAGE: Final = 5_000


async def pages(
    store: TimeSeriesStore, device_ids: Sequence[str], wanted: RawQuery
) -> AsyncIterator[Sequence[Reading]]:
    """Each page is asked for once the one before was taken. `wanted` is the same for all of the devices."""
    for device_id in device_ids:
        query = replace(wanted, device_id=device_id)
        while True:
            page = await store.raw(query)
            if page.readings:
                yield page.readings
            if not page.more or not page.readings:
                break
            last = page.readings[-1]
            query = replace(query, after=(last.ts_ns, last.measurement, last.user_id))
