"""Profiles that an operator has made; the built-in ones are code."""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import orjson
import structlog
from sqlalchemy import Text, cast, delete, func, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from shared.database.registry import save_profile
from shared.database.tables import device_measurements, devices, profiles
from shared.database.upsert import insert_into, insert_missing
from shared.keptjson import kept_json
from shared.profiles import PROFILES, Profile, read_profile

log = structlog.get_logger()


class Kind(NamedTuple):
    """What a list of devices tells of their profile; `units` is JSON already: {metric: unit}."""

    measurement: str
    units: orjson.Fragment


class Stored(NamedTuple):
    profile: Profile
    updated_ns: int | None = None  # None: built in


async def own_profiles(engine: AsyncEngine) -> Sequence[Stored]:
    """By name. What somebody wrote past this API and ingest can't use is left out, and the log says so."""
    statement = select(profiles.c.name, profiles.c.document, profiles.c.updated_ns).order_by(profiles.c.name)
    async with engine.connect() as connection:
        rows = (await connection.execute(statement)).all()
    return [stored for row in rows if (stored := _stored(row)) is not None]


async def one_profile(engine: AsyncEngine, name: str) -> Stored | None:
    if name in PROFILES:
        return Stored(PROFILES[name])
    statement = select(profiles.c.name, profiles.c.document, profiles.c.updated_ns).where(profiles.c.name == name)
    async with engine.connect() as connection:
        row = (await connection.execute(statement)).first()
    return None if row is None else _stored(row)


async def add_profile(engine: AsyncEngine, profile: Profile, now_ns: int) -> bool:
    """False if there is one of this name."""
    row = {"name": profile.name, "document": profile.document, "updated_ns": now_ns}
    statement = insert_missing(engine.dialect.name, profiles).values(row).returning(profiles.c.name)
    async with engine.begin() as connection:
        return (await connection.execute(statement)).first() is not None


async def change_profile(engine: AsyncEngine, name: str, changes: Mapping[str, Any], now_ns: int) -> bool:
    """Change what is given; raises ValidationError where that makes no profile. False if there is none.

    Readings stay where they were written: another measurement makes its devices remember the one before.
    """
    async with engine.begin() as connection:
        before = await _held(connection, name)
        if before is None:
            return False
        after = Profile.model_validate({**before, **changes, "name": name})
        measurement = before.get("measurement")
        if measurement not in (None, after.measurement):
            await _remember(connection, name, measurement, now_ns)
        await save_profile(connection, after, now_ns)
        return True


async def delete_profile(engine: AsyncEngine, name: str) -> int | None:
    """How many devices stand in the way: 0 and it is gone. None if there is none."""
    async with engine.begin() as connection:
        if await _held(connection, name) is None:
            return None
        used = await connection.scalar(select(func.count()).select_from(devices).where(devices.c.profile == name))
        if not used:
            await connection.execute(delete(profiles).where(profiles.c.name == name))
        return used or 0


async def is_profile(connection: AsyncConnection, name: str) -> bool:
    """Whether a device may have it; then nobody deletes it before this transaction ends."""
    return name in PROFILES or await _held(connection, name) is not None


async def own_names(connection: AsyncConnection) -> list[str]:
    return list((await connection.execute(select(profiles.c.name).order_by(profiles.c.name))).scalars())


async def kinds(connection: AsyncConnection, names: Iterable[str]) -> Mapping[str, Kind]:
    """Of these profiles; asks the database only if one of them isn't built in."""
    own = [name for name in set(names) if name not in BUILT_IN]
    if not own:
        return BUILT_IN
    statement = select(profiles.c.name, cast(profiles.c.document, Text)).where(profiles.c.name.in_(own))
    return {**{name: _kind(name, text) for name, text in await connection.execute(statement)}, **BUILT_IN}


async def _held(connection: AsyncConnection, name: str) -> dict[str, Any] | None:
    """Its document, locked on both databases by a change that changes nothing: no one else deletes or changes it."""
    statement = update(profiles).where(profiles.c.name == name).values(name=name).returning(profiles.c.document)
    row = (await connection.execute(statement)).first()
    if row is None:
        return None
    return row.document if isinstance(row.document, dict) else {}


async def _remember(connection: AsyncConnection, name: str, measurement: str, now_ns: int) -> None:
    lie = select(devices.c.device_id, literal(measurement), devices.c.user_id, literal(now_ns))
    columns = [column.name for column in device_measurements.c]
    statement = insert_into(connection.dialect.name, device_measurements).from_select(
        columns, lie.where(devices.c.profile == name)
    )
    await connection.execute(statement.on_conflict_do_nothing())


def _stored(row: Any) -> Stored | None:
    try:
        return Stored(read_profile(row.name, row.document), row.updated_ns)
    except ValueError as error:
        log.warning("profile_unusable", reason=str(error))
        return None


# a document is read again only when its text has changed
@lru_cache(maxsize=1_024)
def _kind(name: str, document: str) -> Kind:
    try:
        return _kind_of(read_profile(name, orjson.loads(document)))
    except ValueError:
        return UNKNOWN


def _kind_of(profile: Profile) -> Kind:
    units = {name: metric.unit for name, metric in profile.metrics.items() if metric.unit}
    return Kind(profile.measurement, orjson.Fragment(kept_json(units)))


UNKNOWN: Final = Kind("", orjson.Fragment(b"{}"))
BUILT_IN: Final[Mapping[str, Kind]] = {name: _kind_of(profile) for name, profile in PROFILES.items()}
