"""Devices added, claimed, changed and deleted. Readings stay where they were written, with whoever owned them then."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.api.devices.queries import of
from services.api.errors import BadRequest
from services.api.profiles.queries import is_profile, kinds, own_names
from shared.database.tables import (
    device_credentials,
    device_measurements,
    device_status,
    devices,
    latest,
    users,
)
from shared.database.upsert import insert_missing
from shared.profiles import PROFILES

Changes = Mapping[str, Any]
Added = Literal["added", "claimed"]
Changed = Literal["changed", "given"]


async def add_device(engine: AsyncEngine, row: Changes, given: Changes, now_ns: int) -> Added | None:
    """Add `row`, or let `given` claim a device that registered itself; None if somebody has it.

    Raises BadRequest for a profile or an owner that nobody knows.
    """
    statement = insert_missing(engine.dialect.name, devices).values(**row, claimed=True, created_ns=now_ns)
    async with engine.begin() as connection:
        await _check(connection, row)
        if (await connection.execute(statement.returning(devices.c.id))).first() is not None:
            return "added"
        return "claimed" if await _claim(connection, row["device_id"], given, now_ns) else None


async def claim_device(engine: AsyncEngine, device_id: str, given: Changes, now_ns: int) -> bool:
    """Make an unclaimed device somebody's; False if there is none, or somebody was quicker."""
    async with engine.begin() as connection:
        return await _claim(connection, device_id, given, now_ns)


async def change_device(
    engine: AsyncEngine, device_id: str, tenants: Sequence[int] | None, changes: Changes, now_ns: int
) -> Changed | None:
    """Change what is given, perhaps to whom it belongs; None if they have no such device.

    Raises BadRequest as add_device does.
    """
    async with engine.begin() as connection:
        return await _change(connection, (devices.c.device_id == device_id) & of(tenants), changes, now_ns)


async def delete_device(engine: AsyncEngine, device_id: str, tenants: Sequence[int] | None, now_ns: int) -> bool:
    """It is unknown from now on; its readings, and where they lie, stay."""
    async with engine.begin() as connection:
        before = await hold(connection, (devices.c.device_id == device_id) & of(tenants))
        if before is None:
            return False
        await remember(connection, [before], now_ns)
        for table in (latest, device_status):
            await connection.execute(delete(table).where(table.c.device_id == device_id))
        await connection.execute(delete(devices).where(devices.c.id == before.id))
        return True


async def is_unclaimed(engine: AsyncEngine, device_id: str) -> bool:
    statement = select(devices.c.id).where(devices.c.device_id == device_id, devices.c.claimed.is_(False))
    async with engine.connect() as connection:
        return (await connection.execute(statement)).first() is not None


async def remember(connection: AsyncConnection, rows: Sequence[Any], now_ns: int) -> None:
    """Where the readings of these devices lie: ingest tells it too, but a moment later."""
    known = await kinds(connection, {row.profile for row in rows})
    lie = [
        {
            "device_id": row.device_id,
            "measurement": known[row.profile].measurement,
            "user_id": row.user_id,
            "since_ns": now_ns,
        }
        for row in rows
        if row.profile in known
    ]
    if lie:
        await connection.execute(insert_missing(connection.dialect.name, device_measurements), lie)


async def hold(connection: AsyncConnection, whose: ColumnElement[bool]) -> Any:
    """The row as it is, locked on both databases by a change that changes nothing."""
    statement = update(devices).where(whose).values(claimed=devices.c.claimed)
    kept = devices.c
    held = statement.returning(kept.id, kept.device_id, kept.user_id, kept.profile, kept.disabled)
    return (await connection.execute(held)).first()


async def _claim(connection: AsyncConnection, device_id: str, given: Changes, now_ns: int) -> bool:
    unclaimed = (devices.c.device_id == device_id) & devices.c.claimed.is_(False)
    return await _change(connection, unclaimed, {**given, "claimed": True}, now_ns) is not None


async def _change(
    connection: AsyncConnection, whose: ColumnElement[bool], changes: Changes, now_ns: int
) -> Changed | None:
    before = await hold(connection, whose)
    if before is None:
        return None
    await _check(connection, changes)
    handed_over = changes.get("user_id", before.user_id) != before.user_id
    if handed_over or changes.get("profile", before.profile) != before.profile:
        await remember(connection, [before], now_ns)
    if handed_over:
        # who had it could go on speaking in its name, into somebody else's readings
        await connection.execute(delete(device_credentials).where(device_credentials.c.device == before.id))
        changes = {**changes, "claimed": True}
    await connection.execute(update(devices).where(devices.c.id == before.id).values(**changes))
    return "given" if handed_over else "changed"


async def _check(connection: AsyncConnection, changes: Changes) -> None:
    profile, user_id = changes.get("profile"), changes.get("user_id")
    if profile is not None and not await is_profile(connection, profile):
        names = ", ".join([*PROFILES, *await own_names(connection)][:20])
        raise BadRequest(f"Profile: is one of {names}", "validation_failed", field="profile")
    if user_id is not None and await connection.scalar(select(users.c.id).where(users.c.id == user_id)) is None:
        raise BadRequest(f"There is no user {user_id}", "unknown_user", field="user_id")
