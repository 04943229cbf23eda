"""Whether a device is there for a caller."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database.tables import devices


async def device_exists(engine: AsyncEngine, device_id: str, tenants: Sequence[int] | None) -> bool:
    """Another tenant's device is not there."""
    statement = select(devices.c.id).where(devices.c.device_id == device_id)
    if tenants is not None:
        statement = statement.where(devices.c.user_id.in_(tenants))
    async with engine.connect() as connection:
        return (await connection.execute(statement)).first() is not None
