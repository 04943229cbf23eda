"""Asks the time-series store now and then whether it is there: on a quiet day no request would find out."""

import asyncio
from typing import Final

from shared.health import Health
from shared.timeseries.store import StoreError, TimeSeriesStore

_EVERY_S: Final = 5.0
_WITHIN_S: Final = 10.0


async def watch_store(store: TimeSeriesStore, health: Health) -> None:
    """A part of the process. Without the store devices and items are still served, so that it isn't needed."""
    while True:
        try:
            async with asyncio.timeout(_WITHIN_S):
                await store.ping()
        except TimeoutError:
            health.report("store", "down", f"no answer within {_WITHIN_S:g} s", needed=False)
        except (StoreError, OSError) as error:
            health.report("store", "down", f"{type(error).__name__}: {error}"[:300], needed=False)
        else:
            health.report("store", "ok", needed=False)
        await asyncio.sleep(_EVERY_S)
