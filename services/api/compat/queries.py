"""Devices with their newest values, in one query."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from services.api.devices.queries import of
from services.api.devices.rows import COLUMNS, fetch, listed
from services.api.profiles.queries import Kind
from shared.database.tables import devices


async def all_devices(engine: AsyncEngine, tenants: Sequence[int] | None) -> tuple[Sequence[Any], Mapping[str, Kind]]:
    """Rows of these owners' devices (None: of everybody's) by id, and what their profiles mean."""
    async with engine.connect() as connection:
        return await fetch(connection, listed(*COLUMNS).where(of(tenants)).order_by(devices.c.id))
