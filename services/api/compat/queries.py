"""Devices with their newest values, in one query."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import bindparam
from sqlalchemy.ext.asyncio import AsyncEngine

from services.api.devices.rows import COLUMNS, fetch, listed
from services.api.profiles.queries import Kind
from shared.database.tables import devices

# made once: making one takes as long as carrying it out for a dozen devices
_EVERYBODYS: Final = listed(*COLUMNS).order_by(devices.c.id)
_THEIRS: Final = _EVERYBODYS.where(devices.c.user_id.in_(bindparam("tenants", expanding=True)))


async def all_devices(engine: AsyncEngine, tenants: Sequence[int] | None) -> tuple[Sequence[Any], Mapping[str, Kind]]:
    """Rows of these owners' devices (None: of everybody's) by id, and what their profiles mean."""
    async with engine.connect() as connection:
        if tenants is None:
            return await fetch(connection, _EVERYBODYS)
        return await fetch(connection, _THEIRS, {"tenants": tenants})
