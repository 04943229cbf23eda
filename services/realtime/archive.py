"""The archive behind resumes: a time-series store, and the relational database that knows who has readings in it."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.realtime.errors import HistoryUnavailable
from services.realtime.selection import UserIds
from shared.database.tables import device_measurements
from shared.timeseries.store import LateQuery, LateRange, RawPage, RawQuery, TimeSeriesStore


class StoreArchive:
    """Opens nothing. A device that changed hands is one of both owners: each gets the readings of its own time."""

    def __init__(self, store: TimeSeriesStore, engine: AsyncEngine) -> None:
        self._store = store
        self._engine = engine

    async def raw(self, query: RawQuery) -> RawPage:
        return await self._store.raw(query)

    async def late(self, query: LateQuery) -> Sequence[LateRange]:
        return await self._store.late(query)

    async def devices(self, user_ids: UserIds) -> Sequence[str]:
        statement = select(device_measurements.c.device_id).distinct()
        if user_ids is not None:
            statement = statement.where(device_measurements.c.user_id.in_(user_ids))
        try:
            async with self._engine.connect() as connection:
                return (await connection.scalars(statement)).all()
        except (SQLAlchemyError, OSError) as error:
            raise HistoryUnavailable(str(error)) from error
