"""The newest values of each device as the relational database has them: what a snapshot starts from."""

import asyncio
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Executable, and_, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.realtime.errors import LatestUnavailable
from services.realtime.recent import Known
from services.realtime.selection import UserIds
from shared.database.tables import devices, latest
from shared.readings import Reading

Key = tuple[UserIds, frozenset[str] | None]

# a database that says nothing is one that is away: live readings don't wait for it
_WITHIN_S: Final = 10.0


class LatestTable:
    """Reads `devices` and `latest`. Equal questions at the same time are one query: clients come back in crowds."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._asked: dict[Key, asyncio.Task[Sequence[Known]]] = {}

    async def __call__(self, user_ids: UserIds, device_ids: frozenset[str] | None) -> Sequence[Known]:
        """Raises LatestUnavailable."""
        key = (user_ids, device_ids)
        task = self._asked.get(key)
        if task is None:
            task = self._asked[key] = asyncio.create_task(self._read(key), name="latest_read")
            task.add_done_callback(lambda _: self._asked.pop(key))
        return await asyncio.shield(task)  # one client that leaves must not cancel the others' query

    async def _read(self, key: Key) -> Sequence[Known]:
        try:
            async with asyncio.timeout(_WITHIN_S), self._engine.connect() as connection:
                rows = (await connection.execute(_statement(*key))).all()
        except (SQLAlchemyError, OSError) as error:
            raise LatestUnavailable(str(error)) from error
        return [
            Known(
                device_id,
                user_id,
                None if ts_ns is None else Reading(device_id, user_id, measurement, ts_ns, values),
            )
            for device_id, user_id, measurement, ts_ns, values in rows
        ]


def _statement(user_ids: UserIds, device_ids: frozenset[str] | None) -> Executable:
    # what a device sent under its former owner stays with that owner
    same = and_(latest.c.device_id == devices.c.device_id, latest.c.user_id == devices.c.user_id)
    statement = select(
        devices.c.device_id, devices.c.user_id, latest.c.measurement, latest.c.ts_ns, latest.c["values"]
    ).select_from(devices.outerjoin(latest, same))
    if user_ids is not None:
        statement = statement.where(devices.c.user_id.in_(user_ids))
    if device_ids is not None:
        statement = statement.where(devices.c.device_id.in_(device_ids))
    return statement
