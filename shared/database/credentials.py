"""What devices prove themselves with: the queries that a broker needs."""

from collections.abc import Mapping

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.tables import device_credentials, devices


async def known_credentials(connection: AsyncConnection) -> list[tuple[str, int, str]]:
    """(device_id, id, password hash) of every credential."""
    statement = select(devices.c.device_id, device_credentials.c.id, device_credentials.c.password_hash)
    rows = await connection.execute(statement.join(devices, devices.c.id == device_credentials.c.device))
    return [tuple(row) for row in rows]


async def closed_devices(connection: AsyncConnection) -> list[str]:
    """Every device that must prove itself, also one whose credentials are all revoked by now."""
    statement = select(devices.c.device_id).where(devices.c.needs_credential.is_(True))
    return list((await connection.execute(statement)).scalars())


async def mark_used(connection: AsyncConnection, used_ns: Mapping[int, int]) -> None:
    """When each was presented last, by its id; one that was revoked meanwhile is nobody's loss."""
    if used_ns:
        statement = update(device_credentials).where(device_credentials.c.id == bindparam("key"))
        rows = [{"key": key, "used": moment} for key, moment in used_ns.items()]
        await connection.execute(statement.values(last_used_ns=bindparam("used")), rows)
