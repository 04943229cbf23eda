"""Devices with their newest values in one query, and the one statement that adds or claims a device."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Integer, Text, and_, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncEngine

from services.api.compat.schemas import NewDevice
from shared.database.tables import device_status, devices, latest
from shared.database.upsert import insert_into


async def all_devices(engine: AsyncEngine, tenants: Sequence[int] | None) -> Sequence[Any]:
    """Rows of these owners' devices (None: of everybody's) by id. What a former owner's device sent stays unseen.

    `claimed` and `values` come as the driver has them, from SQLite as 0 or 1 and JSON text, from asyncpg already
    decoded: SQLAlchemy's conversion of each cell would cost as much as the query itself.
    """
    statement = (
        select(
            devices.c.id,
            devices.c.device_id,
            devices.c.name,
            devices.c.profile,
            type_coerce(devices.c.claimed, Integer),
            latest.c.measurement,
            latest.c.seen_ns,
            type_coerce(latest.c["values"], Text),
            device_status.c.status,
            device_status.c.ts_ns,
        )
        .join_from(
            devices,
            latest,
            and_(latest.c.device_id == devices.c.device_id, latest.c.user_id == devices.c.user_id),
            isouter=True,
        )
        .join(
            device_status,
            and_(device_status.c.device_id == devices.c.device_id, device_status.c.user_id == devices.c.user_id),
            isouter=True,
        )
        .order_by(devices.c.id)
    )
    if tenants is not None:
        statement = statement.where(devices.c.user_id.in_(tenants))
    async with engine.connect() as connection:
        return (await connection.execute(statement)).all()


async def add_device(engine: AsyncEngine, new: NewDevice, user_id: int, now_ns: int) -> bool:
    """Add it, or claim it if it registered itself; False if somebody has it. One statement: two can't both win."""
    row = {"name": new.name, "user_id": user_id, "claimed": True}
    if "profile" in new.model_fields_set:
        row["profile"] = new.profile
    statement = (
        insert_into(engine.dialect.name, devices)
        .values(device_id=new.device_id, created_ns=now_ns, disabled=False, **{"profile": new.profile, **row})
        .on_conflict_do_update(index_elements=["device_id"], set_=row, where=devices.c.claimed.is_(False))
        .returning(devices.c.id)
    )
    async with engine.begin() as connection:
        return (await connection.execute(statement)).first() is not None
