"""Which of the devices that were asked for are there for a caller."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database.tables import devices


async def known_devices(engine: AsyncEngine, device_ids: Sequence[str], tenants: Sequence[int] | None) -> list[str]:
    """In the order in which they were asked for; another tenant's are not there."""
    statement = select(devices.c.device_id).where(devices.c.device_id.in_(device_ids))
    if tenants is not None:
        statement = statement.where(devices.c.user_id.in_(tenants))
    async with engine.connect() as connection:
        found = set((await connection.execute(statement)).scalars())
    return [device_id for device_id in device_ids if device_id in found]
