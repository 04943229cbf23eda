"""Many devices of a caller in one transaction, and all of them, some at a time."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import bindparam, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.api.auth import Caller
from services.api.bulk.schemas import Outcome
from services.api.bulk.sheet import Refused, Row
from services.api.devices.changes import remember
from services.api.devices.queries import of
from services.api.profiles.queries import is_profile, own_names
from shared.database.tables import device_credentials, devices
from shared.database.upsert import insert_missing
from shared.profiles import DEFAULT_PROFILE, PROFILES

_STEP: Final = 1_000


class Taken(NamedTuple):
    """What became of a row; `code` and `message` say why it was refused. `claimed`: it had registered itself."""

    row: Row | Refused
    outcome: Outcome
    code: str = ""
    message: str = ""
    claimed: bool = False


async def take(engine: AsyncEngine, caller: Caller, rows: Sequence[Row], now_ns: int, *, dry_run: bool) -> list[Taken]:
    """Add, claim or change these devices, no device twice. A dry run does the same and takes it back."""
    async with engine.connect() as connection:
        taken = await _take(connection, caller, rows, now_ns)
        await (connection.rollback() if dry_run else connection.commit())
    return taken


async def devices_of(
    engine: AsyncEngine, tenants: Sequence[int] | None, after: int = 0
) -> AsyncIterator[Sequence[Any]]:
    """(id, device_id, name, profile, disabled) by id; a connection is held for one step only."""
    columns = (devices.c.id, devices.c.device_id, devices.c.name, devices.c.profile, devices.c.disabled)
    statement = select(*columns).where(of(tenants)).order_by(devices.c.id).limit(_STEP)
    while True:
        async with engine.connect() as connection:
            rows = (await connection.execute(statement.where(devices.c.id > after))).all()
        if not rows:
            return
        yield rows
        after = rows[-1].id


async def _take(connection: AsyncConnection, caller: Caller, rows: Sequence[Row], now_ns: int) -> list[Taken]:
    before = await _held(connection, [row.device_id for row in rows])
    wanted = sorted({row.profile for row in rows if row.profile is not None})
    known = {name for name in wanted if await is_profile(connection, name)}
    unknown = await _unknown_profile(connection) if len(known) < len(wanted) else ""
    taken: list[Taken] = []
    new: list[Row] = []
    changes: list[tuple[Any, dict[str, Any]]] = []
    for row in rows:
        there = before.get(row.device_id)
        if row.profile is not None and row.profile not in known:
            taken.append(Taken(row, "refused", "unknown_profile", unknown))
        elif there is None:
            new.append(row)
        elif there.claimed and caller.tenants is not None and there.user_id not in caller.tenants:
            taken.append(_taken_by_somebody(row))
        else:
            outcome, change = _compared(row, there, caller)
            taken.append(Taken(row, outcome, claimed=not there.claimed))
            if outcome != "unchanged":
                changes.append((there, change))
    await _change(connection, changes, now_ns)
    return [*taken, *await _add(connection, new, caller, now_ns)]


def _compared(row: Row, there: Any, caller: Caller) -> tuple[Outcome, dict[str, Any]]:
    change = {
        "name": row.name,
        "profile": there.profile if row.profile is None else row.profile,
        "disabled": there.disabled if row.disabled is None else row.disabled,
        "user_id": there.user_id if there.claimed else caller.user_id,
    }
    if not there.claimed:
        return "added", change
    differs = any(getattr(there, name) != value for name, value in change.items())
    return ("changed" if differs else "unchanged"), change


async def _held(connection: AsyncConnection, device_ids: Sequence[str]) -> Mapping[str, Any]:
    """By device id, locked: in the order of their ids, so that two files at once can't wait for each other."""
    chosen = devices.c.device_id.in_(device_ids)
    await connection.execute(select(devices.c.id).where(chosen).order_by(devices.c.id).with_for_update())
    # a change that changes nothing: SQLite knows no other lock
    held = update(devices).where(chosen).values(claimed=devices.c.claimed).returning(*devices.c)
    return {row.device_id: row for row in await connection.execute(held)}


async def _change(connection: AsyncConnection, changes: Sequence[tuple[Any, Mapping[str, Any]]], now_ns: int) -> None:
    if not changes:
        return
    given = [there for there, change in changes if there.user_id != change["user_id"]]
    moved = [there for there, change in changes if there.profile != change["profile"]]
    await remember(connection, [*given, *moved], now_ns)
    ended = device_credentials.c.device.in_([there.id for there in given])
    await connection.execute(delete(device_credentials).where(ended))
    columns: dict[str, Any] = {name: bindparam(f"new_{name}") for name in ("name", "profile", "disabled", "user_id")}
    statement = update(devices).where(devices.c.id == bindparam("key")).values(**columns, claimed=True)
    rows = [{"key": there.id, **{f"new_{name}": change[name] for name in columns}} for there, change in changes]
    await connection.execute(statement, rows)


async def _add(connection: AsyncConnection, new: Sequence[Row], caller: Caller, now_ns: int) -> list[Taken]:
    if not new:
        return []
    rows = [
        {
            "device_id": row.device_id,
            "name": row.name,
            "profile": row.profile or DEFAULT_PROFILE,
            "disabled": bool(row.disabled),
            "user_id": caller.user_id,
            "claimed": True,
            "created_ns": now_ns,
        }
        # in one order, so that two files at once can't wait for each other
        for row in sorted(new, key=lambda each: each.device_id)
    ]
    statement = insert_missing(connection.dialect.name, devices).returning(devices.c.device_id)
    added = set((await connection.execute(statement, rows)).scalars())
    return [Taken(row, "added") if row.device_id in added else _taken_by_somebody(row) for row in new]


def _taken_by_somebody(row: Row) -> Taken:
    return Taken(row, "refused", "device_exists", "Device ID already exists")


async def _unknown_profile(connection: AsyncConnection) -> str:
    return f"Profile: is one of {', '.join([*PROFILES, *await own_names(connection)][:20])}"
