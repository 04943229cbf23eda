"""Devices with their newest values, page by page."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from services.api.devices.rows import listed
from shared.database.tables import device_status, devices, latest


class Wanted(NamedTuple):
    """Which devices; None means everybody's, or all of them."""

    tenants: Sequence[int] | None
    device_ids: Sequence[str] | None = None


async def page_of_devices(engine: AsyncEngine, wanted: Wanted, limit: int, offset: int) -> tuple[Sequence[Any], int]:
    """(device_id, name, seen_ns, values, status, status_ns) by id, and how many there are in all."""
    where = _chosen(wanted)
    told = (
        devices.c.device_id,
        devices.c.name,
        latest.c.seen_ns,
        latest.c["values"],
        device_status.c.status,
        device_status.c.ts_ns,
    )
    statement = listed(*told).where(*where).order_by(devices.c.id).limit(limit).offset(offset)
    async with engine.connect() as connection:
        total = (await connection.execute(select(func.count()).select_from(devices).where(*where))).scalar_one()
        return (await connection.execute(statement)).all(), total


def _chosen(wanted: Wanted) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if wanted.tenants is not None:
        where.append(devices.c.user_id.in_(wanted.tenants))
    if wanted.device_ids is not None:
        where.append(devices.c.device_id.in_(wanted.device_ids))
    return where
