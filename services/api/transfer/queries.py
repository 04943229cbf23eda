"""Whose devices are whose, for a transfer. Every statement that a caller causes names the tenants."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, select, true, union
from sqlalchemy.ext.asyncio import AsyncEngine

from services.api.transfer.judging import Target
from shared.database.registry import known_profiles
from shared.database.tables import device_measurements, devices, ingest_books, latest


async def devices_with_readings(
    engine: AsyncEngine, tenants: Sequence[int] | None, wanted: Sequence[str] | None
) -> list[str]:
    """In order. A device that changed hands or was deleted is here for whoever has readings of it."""
    owned = select(devices.c.device_id).where(_chosen(devices, tenants, wanted))
    written = select(device_measurements.c.device_id).where(_chosen(device_measurements, tenants, wanted))
    async with engine.connect() as connection:
        found = (await connection.execute(union(owned, written))).scalars().all()
    return sorted(found)  # here: each database has an order of its own


async def metrics_seen(engine: AsyncEngine, tenants: Sequence[int] | None, wanted: Sequence[str] | None) -> set[str]:
    """The names in the latest values of these devices."""
    seen: set[str] = set()
    async with engine.connect() as connection:
        async for values in await connection.stream_scalars(
            select(latest.c["values"]).where(_chosen(latest, tenants, wanted))
        ):
            seen.update(values)
    return seen


async def profiles_used(engine: AsyncEngine, tenants: Sequence[int] | None, wanted: Sequence[str] | None) -> set[str]:
    """By name."""
    async with engine.connect() as connection:
        rows = await connection.execute(select(devices.c.profile).distinct().where(_chosen(devices, tenants, wanted)))
        return set(rows.scalars())


async def profile_rows(engine: AsyncEngine) -> list[tuple[str, Any]]:
    """(name, document) of those that somebody has made."""
    async with engine.connect() as connection:
        return await known_profiles(connection)


async def importable(engine: AsyncEngine, tenants: Sequence[int] | None, wanted: Sequence[str]) -> dict[str, Target]:
    """Those of these devices that are the tenants'."""
    columns = (devices.c.device_id, devices.c.user_id, devices.c.profile, devices.c.disabled)
    used = select(device_measurements.c.device_id, device_measurements.c.user_id, device_measurements.c.measurement)
    async with engine.connect() as connection:
        rows = (await connection.execute(select(*columns).where(_chosen(devices, tenants, wanted)))).all()
        places: dict[tuple[str, int], set[str]] = {}
        for device_id, user_id, measurement in await connection.execute(
            used.where(_chosen(device_measurements, tenants, wanted))
        ):
            places.setdefault((device_id, user_id), set()).add(measurement)
    return {row[0]: Target(*row, frozenset(places.get((row[0], row[1]), ()))) for row in rows}


async def newest_source(engine: AsyncEngine) -> str | None:
    """The ingest worker that was heard of last."""
    statement = select(ingest_books.c.source).order_by(ingest_books.c.updated_ns.desc()).limit(1)
    async with engine.connect() as connection:
        found: str | None = await connection.scalar(statement)
    return found


def _chosen(table: Any, tenants: Sequence[int] | None, wanted: Sequence[str] | None) -> ColumnElement[bool]:
    where: ColumnElement[bool] = true()
    if tenants is not None:
        where = where & table.c.user_id.in_(tenants)
    return where if wanted is None else where & table.c.device_id.in_(wanted)
