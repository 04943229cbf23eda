"""Whether a device is there for a caller."""

from collections.abc import Sequence

from sqlalchemy import select, union_all
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database.tables import device_measurements, devices


async def device_exists(engine: AsyncEngine, device_id: str, tenants: Sequence[int] | None) -> bool:
    """Another tenant's device is not there; one that was deleted or given away is, for whoever has readings of it."""
    found = [
        select(table.c.device_id).where(table.c.device_id == device_id) for table in (devices, device_measurements)
    ]
    if tenants is not None:
        owners = (devices.c.user_id, device_measurements.c.user_id)
        found = [each.where(owner.in_(tenants)) for each, owner in zip(found, owners, strict=True)]
    async with engine.connect() as connection:
        return (await connection.execute(union_all(*found).limit(1))).first() is not None
