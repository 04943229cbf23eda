"""Who owns which device: the queries that ingest needs, and the api with it."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, exists, insert, literal, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.tables import device_measurements, devices, profiles, users
from shared.database.upsert import insert_into, insert_missing
from shared.profiles import Profile, check_own_name


async def ensure_local_admin(connection: AsyncConnection, now_ns: int) -> None:
    """User 1, who every caller is while `auth = open`: the first row of an empty table.

    However many processes meet the table empty at once, one makes the row.
    """
    if await connection.scalar(select(exists(users.select()))):
        return
    if connection.dialect.name == "postgresql":
        await connection.execute(text("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE"))
    row = {"name": "admin", "role": "admin", "created_ns": now_ns}
    none_yet = select(*map(literal, row.values())).where(~exists(users.select()))
    await connection.execute(insert(users).from_select(list(row), none_yet))


async def known_devices(connection: AsyncConnection) -> list[tuple[str, int, str, bool]]:
    """(device_id, user_id, profile, disabled) of every device."""
    rows = await connection.execute(
        select(devices.c.device_id, devices.c.user_id, devices.c.profile, devices.c.disabled)
    )
    return [tuple(row) for row in rows]


async def known_profiles(connection: AsyncConnection) -> list[tuple[str, Any]]:
    """(name, document) of every profile that an operator has made, as it is written there."""
    rows = await connection.execute(select(profiles.c.name, profiles.c.document))
    return [tuple(row) for row in rows]


async def save_profile(connection: AsyncConnection, profile: Profile, updated_ns: int) -> None:
    """Make or change one; raises ValueError for the name of a built-in one."""
    check_own_name(profile.name)
    insert = insert_into(connection.dialect.name, profiles)
    changed = {name: insert.excluded[name] for name in ("document", "updated_ns")}
    row = {"name": profile.name, "document": profile.document, "updated_ns": updated_ns}
    await connection.execute(insert.on_conflict_do_update(index_elements=["name"], set_=changed), [row])


def add_devices(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Devices that registered themselves; those that somebody added meanwhile stay as they are."""
    if rows:
        connection.execute(insert_missing(connection.dialect.name, devices), rows)


def add_measurements(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """(device_id, measurement, user_id, since_ns): where a device's readings lie."""
    if rows:
        connection.execute(insert_missing(connection.dialect.name, device_measurements), rows)
