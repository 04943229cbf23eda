"""What devices, and those who hear them, prove themselves with: the queries that a broker needs."""

from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import bindparam, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.database.tables import api_keys, device_credentials, devices, users


class LiveKey(NamedTuple):
    """An API key that hears what is live. `everybody`: of an administrator, and with scope `admin`."""

    id: int
    user_id: int
    hash: str
    everybody: bool
    expires_ns: int | None


async def known_credentials(connection: AsyncConnection) -> list[tuple[str, int, str]]:
    """(device_id, id, password hash) of every credential."""
    statement = select(devices.c.device_id, device_credentials.c.id, device_credentials.c.password_hash)
    rows = await connection.execute(statement.join(devices, devices.c.id == device_credentials.c.device))
    return [tuple(row) for row in rows]


async def closed_devices(connection: AsyncConnection) -> list[str]:
    """Every device that must prove itself, also one whose credentials are all revoked by now."""
    statement = select(devices.c.device_id).where(devices.c.needs_credential.is_(True))
    return list((await connection.execute(statement)).scalars())


async def live_keys(connection: AsyncConnection) -> list[LiveKey]:
    """Every key with scope `live` that is not revoked, of users who may act; some may be over by now."""
    acting = users.c.disabled.is_(False) & or_(users.c.must_change.is_(False), users.c.password_hash.is_(None))
    statement = select(api_keys, users.c.role).join(users, users.c.id == api_keys.c.user_id)
    rows = await connection.execute(statement.where(acting, api_keys.c.revoked_ns.is_(None)))
    return [
        LiveKey(row.id, row.user_id, row.hash, row.role == "admin" and "admin" in scopes, row.expires_ns)
        for row in rows
        if "live" in (scopes := row.scopes.split())
    ]


async def mark_used(connection: AsyncConnection, used_ns: Mapping[int, int]) -> None:
    """When each was presented last, by its id; one that was revoked meanwhile is nobody's loss."""
    if used_ns:
        statement = update(device_credentials).where(device_credentials.c.id == bindparam("key"))
        rows = [{"key": key, "used": moment} for key, moment in used_ns.items()]
        await connection.execute(statement.values(last_used_ns=bindparam("used")), rows)
