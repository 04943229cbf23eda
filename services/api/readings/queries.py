"""Which devices are there for a caller, and their newest values."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import Select, Table, and_, bindparam, select, union
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database.tables import device_measurements, devices, latest


def _known(table: Table) -> Select[Any]:
    return select(table.c.device_id).where(table.c.device_id.in_(bindparam("wanted", expanding=True)))


def _theirs(table: Table) -> Select[Any]:
    return _known(table).where(table.c.user_id.in_(bindparam("tenants", expanding=True)))


# made once: making one takes as long as carrying it out
_KNOWN: Final = union(_known(devices), _known(device_measurements))
_KNOWN_OF_THEM: Final = union(_theirs(devices), _theirs(device_measurements))


async def device_exists(engine: AsyncEngine, device_id: str, tenants: Sequence[int] | None) -> bool:
    """Another tenant's device is not there."""
    return await known_devices(engine, [device_id], tenants) == [device_id]


async def known_devices(engine: AsyncEngine, wanted: Sequence[str], tenants: Sequence[int] | None) -> list[str]:
    """Those of them that are there, sorted; one that was deleted or given away is, for whoever has readings of it."""
    statement, given = (_KNOWN, {}) if tenants is None else (_KNOWN_OF_THEM, {"tenants": tenants})
    async with engine.connect() as connection:
        return sorted((await connection.execute(statement, {"wanted": wanted, **given})).scalars())


async def all_devices(engine: AsyncEngine, tenants: Sequence[int] | None, since: str, limit: int) -> list[str]:
    """From this one on, in the database's own order."""
    statement = select(devices.c.device_id).where(devices.c.device_id >= since)
    if tenants is not None:
        statement = statement.where(devices.c.user_id.in_(tenants))
    async with engine.connect() as connection:
        return list((await connection.execute(statement.order_by(devices.c.device_id).limit(limit))).scalars())


async def latest_values(
    engine: AsyncEngine, wanted: Sequence[str] | None, tenants: Sequence[int] | None
) -> Sequence[Any]:
    """(device_id, measurement, ts_ns, values) of these devices (None: of all), by device; `values` None: nothing yet.

    What a former owner's device sent stays unseen.
    """
    same = and_(latest.c.device_id == devices.c.device_id, latest.c.user_id == devices.c.user_id)
    statement = (
        select(devices.c.device_id, latest.c.measurement, latest.c.ts_ns, latest.c["values"])
        .join_from(devices, latest, same, isouter=True)
        .order_by(devices.c.device_id)
    )
    if wanted is not None:
        statement = statement.where(devices.c.device_id.in_(wanted))
    if tenants is not None:
        statement = statement.where(devices.c.user_id.in_(tenants))
    async with engine.connect() as connection:
        return (await connection.execute(statement)).all()
