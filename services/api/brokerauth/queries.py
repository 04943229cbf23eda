"""A credential of an enabled device, found by the names that it goes by at the broker."""

from typing import Final, NamedTuple

from sqlalchemy import or_, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from services.api.credentials.usernames import Named
from shared.database.tables import device_credentials, devices

# when it was used last is for people, and a fleet that reconnects must not write a row for each
_FORGET_NS: Final = 60 * 10**9


class Found(NamedTuple):
    id: int
    password_hash: str


async def find_credential(engine: AsyncEngine, named: Named) -> Found | None:
    """None for a credential that isn't there, and for a device that is disabled."""
    statement = (
        select(device_credentials.c.id, device_credentials.c.password_hash)
        .join(devices, devices.c.id == device_credentials.c.device)
        .where(devices.c.device_id == named.device_id, device_credentials.c.name == named.name)
        .where(devices.c.disabled.is_(False))
    )
    async with engine.connect() as connection:
        row = (await connection.execute(statement)).first()
    return None if row is None else Found(*row)


async def mark_used(engine: AsyncEngine, credential: int, now_ns: int) -> None:
    used = device_credentials.c.last_used_ns
    stale = or_(used.is_(None), used < now_ns - _FORGET_NS)
    statement = update(device_credentials).where(device_credentials.c.id == credential, stale)
    async with engine.begin() as connection:
        await connection.execute(statement.values(last_used_ns=now_ns))
