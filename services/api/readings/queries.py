"""Which devices are there for a caller, and their newest values."""

from collections.abc import Callable, Sequence
from typing import Any, Final

from sqlalchemy import BindParameter, ColumnElement, CompoundSelect, and_, bindparam, select, union
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database.tables import device_measurements, devices, latest

# of everybody, and of some tenants alone
Statements = tuple[CompoundSelect[Any], CompoundSelect[Any]]


def _statements(chosen: Callable[[ColumnElement[str]], ColumnElement[bool]]) -> Statements:
    found = [select(table.c.device_id).where(chosen(table.c.device_id)) for table in _TABLES]
    tenants: BindParameter[Any] = bindparam("tenants", expanding=True)
    theirs = [each.where(table.c.user_id.in_(tenants)) for each, table in zip(found, _TABLES, strict=True)]
    return union(*found), union(*theirs)


# one that was deleted or given away is there, too, for whoever has readings of it
_TABLES: Final = (devices, device_measurements)
# made once: making one takes as long as carrying it out
_IS: Final = _statements(lambda device_id: device_id == bindparam("wanted"))
_ARE: Final = _statements(lambda device_id: device_id.in_(bindparam("wanted", expanding=True)))


async def device_exists(engine: AsyncEngine, device_id: str, tenants: Sequence[int] | None) -> bool:
    """Another tenant's device is not there."""
    return bool(await _there(engine, _IS, device_id, tenants))


async def known_devices(engine: AsyncEngine, wanted: Sequence[str], tenants: Sequence[int] | None) -> list[str]:
    """Those of them that are there, sorted."""
    return sorted(await _there(engine, _ARE, wanted, tenants))


async def _there(
    engine: AsyncEngine, statements: Statements, wanted: str | Sequence[str], tenants: Sequence[int] | None
) -> Sequence[str]:
    everybodys, theirs = statements
    statement, given = (everybodys, {}) if tenants is None else (theirs, {"tenants": tenants})
    async with engine.connect() as connection:
        return (await connection.execute(statement, {"wanted": wanted, **given})).scalars().all()


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
