"""Who owns which device: the queries that ingest needs, and the api with it."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.tables import device_measurements, devices, users
from shared.database.upsert import insert_missing


async def ensure_local_admin(connection: AsyncConnection, now_ns: int) -> None:
    """User 1, who every caller is while `auth = open`: the first row of an empty table."""
    if await connection.scalar(select(func.count()).select_from(users)) == 0:
        await connection.execute(insert(users), {"name": "admin", "role": "admin", "created_ns": now_ns})


async def known_devices(connection: AsyncConnection) -> list[tuple[str, int, str, bool]]:
    """(device_id, user_id, profile, disabled) of every device."""
    rows = await connection.execute(
        select(devices.c.device_id, devices.c.user_id, devices.c.profile, devices.c.disabled)
    )
    return [tuple(row) for row in rows]


def add_devices(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Devices that registered themselves; those that somebody added meanwhile stay as they are."""
    if rows:
        connection.execute(insert_missing(connection.dialect.name, devices), rows)


def add_measurements(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """(device_id, measurement, user_id, since_ns): where a device's readings lie."""
    if rows:
        connection.execute(insert_missing(connection.dialect.name, device_measurements), rows)
