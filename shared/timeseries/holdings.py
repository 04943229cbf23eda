"""What a store holds, as far as somebody needs who carries all of it elsewhere: whose readings, and what came late.

Beside TimeSeriesStore, which services work with: nothing here is for answering requests.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from shared.timeseries.settings import StoreSettings
from shared.timeseries.store import LateRange


class LateNote(NamedTuple):
    """A row of the index of late readings: `late` was committed at `committed_ns`."""

    committed_ns: int
    late: LateRange


class Holdings(Protocol):
    """Of every owner. All of it raises shared.timeseries.store.Unavailable."""

    async def devices(self) -> Sequence[str]:
        """In order, those that have readings or had some."""
        ...

    async def noted(self) -> Sequence[str]:
        """In order, the devices of the index of late readings."""
        ...

    async def notes(self, device_id: str, start_ns: int, end_ns: int) -> Sequence[LateNote]:
        """What was committed from `start_ns` up to `end_ns` (exclusive), by time of commit and owner."""
        ...

    async def note(self, notes: Sequence[LateNote]) -> None:
        """Add to the index; what is there already is replaced, and what is older than the store keeps is left out."""
        ...

    async def close(self) -> None: ...


def open_holdings(settings: StoreSettings) -> Holdings:
    """Of the store that the settings name."""
    if settings.influxdb_url:
        # here, because the client takes 40 MB and most of a second, which SQLite's users need not spend
        from shared.timeseries.influxholdings import InfluxHoldings  # noqa: PLC0415 - see above
        from shared.timeseries.influxhttp import target_of  # noqa: PLC0415 - see above

        return InfluxHoldings(target_of(settings), per_user=settings.influxdb_bucket_per_user)
    from shared.timeseries.sqliteholdings import SqliteHoldings  # noqa: PLC0415 - the one or the other

    return SqliteHoldings(settings.data_dir / "readings.db")
