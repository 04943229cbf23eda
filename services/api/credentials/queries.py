"""Credentials of one device of some tenants, None being an administrator's view; and all there are, for a broker."""

from collections.abc import Sequence
from typing import Any, Final

from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from services.api.devices.changes import hold
from services.api.devices.queries import of
from services.api.errors import Conflict, NotFound
from shared.database.tables import device_credentials, devices
from shared.database.upsert import insert_missing

MAX_CREDENTIALS: Final = 10

Tenants = Sequence[int] | None

_SHOWN: Final = (device_credentials.c.name, device_credentials.c.created_ns, device_credentials.c.last_used_ns)


async def list_credentials(engine: AsyncEngine, device_id: str, tenants: Tenants) -> Sequence[Any]:
    """The oldest first; raises NotFound if they have no such device."""
    whose = (devices.c.device_id == device_id) & of(tenants)
    statement = select(*_SHOWN).order_by(device_credentials.c.id)
    async with engine.connect() as connection:
        key = await connection.scalar(select(devices.c.id).where(whose))
        if key is None:
            raise _no_device()
        return (await connection.execute(statement.where(device_credentials.c.device == key))).all()


async def add_credential(engine: AsyncEngine, device_id: str, tenants: Tenants, row: dict[str, Any]) -> bool:
    """Whether the device is disabled; raises NotFound for it, Conflict for a name that is taken or one too many."""
    of_device = device_credentials.c.device
    async with engine.begin() as connection:
        device = await hold(connection, (devices.c.device_id == device_id) & of(tenants))
        if device is None:
            raise _no_device()
        statement = insert_missing(engine.dialect.name, device_credentials).values(**row, device=device.id)
        if (await connection.execute(statement.returning(device_credentials.c.id))).first() is None:
            message = f"This device has a credential {row['name']} already: revoke it, or choose another name"
            raise Conflict(message, "credential_exists", field="name")
        counted = select(func.count()).select_from(device_credentials).where(of_device == device.id)
        if (await connection.scalar(counted) or 0) > MAX_CREDENTIALS:
            raise Conflict(f"A device has {MAX_CREDENTIALS} credentials at most: revoke one", "too_many_credentials")
        await connection.execute(update(devices).where(devices.c.id == device.id).values(needs_credential=True))
        return bool(device.disabled)


async def delete_credential(engine: AsyncEngine, device_id: str, tenants: Tenants, name: str) -> None:
    """Raises NotFound for the device or the credential."""
    async with engine.begin() as connection:
        device = await hold(connection, (devices.c.device_id == device_id) & of(tenants))
        if device is None:
            raise _no_device()
        statement = delete(device_credentials).where(
            device_credentials.c.device == device.id, device_credentials.c.name == name
        )
        if not (await connection.execute(statement)).rowcount:
            raise NotFound("Credential not found", "credential_not_found")


async def every_account(engine: AsyncEngine) -> Sequence[Any]:
    """(device_id, name, whether the device is disabled) of every credential."""
    statement = select(devices.c.device_id, device_credentials.c.name, devices.c.disabled)
    joined = statement.join(devices, devices.c.id == device_credentials.c.device)
    async with engine.connect() as connection:
        return (await connection.execute(joined)).all()


def _no_device() -> NotFound:
    return NotFound("Device not found", "device_not_found")
