"""A device as every list shows it: its columns, where they come from, when it counts as online, and how it is told."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, Integer, Select, Text, and_, case, cast, func, or_, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from services.api.profiles.queries import UNKNOWN, Kind, kinds
from shared.database.tables import device_status, devices, latest
from shared.presence import presence
from shared.times import iso_ns

Columns = Sequence[Any]

# `claimed` and `values` come as the driver has them: SQLAlchemy's conversion of each cell would cost as much as the
# query itself
COLUMNS: Final[Columns] = (
    devices.c.id,
    devices.c.device_id,
    devices.c.name,
    devices.c.profile,
    type_coerce(devices.c.claimed, Integer),
    latest.c.measurement,
    latest.c.seen_ns,
    cast(latest.c["values"], Text),
    device_status.c.status,
    device_status.c.ts_ns,
)
_PROFILE: Final = 3
_NOTHING: Final[dict[str, Any]] = {}


def listed(*columns: Any) -> Select[Any]:
    """Devices with their newest values and their last word. What a device said under a former owner stays unseen."""
    measured = and_(latest.c.device_id == devices.c.device_id, latest.c.user_id == devices.c.user_id)
    said = and_(device_status.c.device_id == devices.c.device_id, device_status.c.user_id == devices.c.user_id)
    joined = devices.outerjoin(latest, measured).outerjoin(device_status, said)
    return select(*columns).select_from(joined)


def online(now_ns: int, offline_after_s: float) -> ColumnElement[bool]:
    """shared.presence in SQL, so that a page of those who are online is one query."""
    word_holds = and_(
        device_status.c.status.is_not(None), or_(latest.c.seen_ns.is_(None), latest.c.seen_ns <= device_status.c.ts_ns)
    )
    heard = func.coalesce(latest.c.seen_ns >= now_ns - int(offline_after_s * 1e9), False)
    return case((word_holds, device_status.c.status == "online"), else_=heard)


async def fetch(connection: AsyncConnection, statement: Select[Any]) -> tuple[Sequence[Any], Mapping[str, Kind]]:
    """Rows that begin with COLUMNS, and what their profiles mean."""
    rows = (await connection.execute(statement)).all()
    return rows, await kinds(connection, {row[_PROFILE] for row in rows})


def told(row: Sequence[Any], known: Mapping[str, Kind], now_ns: int, offline_after_s: float) -> dict[str, Any]:
    """The row as the seeds' frontends read it, with more keys."""
    key, device_id, name, profile, claimed, measurement, seen_ns, newest, status, status_ns, *_ = row
    values = orjson.loads(newest) if newest else _NOTHING
    kind = known.get(profile, UNKNOWN)
    return {
        "id": key,
        "device_id": device_id,
        "name": name,
        "status": presence((status, status_ns) if status else None, seen_ns, now_ns, offline_after_s),
        "last_seen": iso_ns(seen_ns) if seen_ns is not None else None,
        "temperature": values.get("temperature"),
        "humidity": values.get("humidity"),
        "pressure": values.get("pressure"),
        "values": values,
        "measurement": measurement or kind.measurement,
        "profile": profile,
        "units": kind.units,
        "claimed": bool(claimed),
    }
