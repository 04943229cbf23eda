"""A device as every list shows it: its columns, where they come from, when it counts as online, and how it is told."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, Integer, Select, Text, and_, case, cast, func, or_, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from services.api.profiles.queries import UNKNOWN, Kind, kinds
from shared.database.tables import device_status, devices, latest
from shared.keptjson import kept_json
from shared.presence import Presence
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
# what v1 tells beyond the seeds' list
ALL_COLUMNS: Final[Columns] = (*COLUMNS, devices.c.disabled, devices.c.user_id, devices.c.created_ns)
_PROFILE_OF: Final = itemgetter(3)
_NOTHING: Final[dict[str, Any]] = {}
# 1 KB each: who has more devices waits a little longer for them
_REMEMBERED: Final = 8_192


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


async def fetch(
    connection: AsyncConnection, statement: Select[Any], given: Mapping[str, Any] | None = None
) -> tuple[Sequence[Any], Mapping[str, Kind]]:
    """Rows that begin with COLUMNS, and what their profiles mean."""
    rows = (await connection.execute(statement, given)).all()
    return rows, await kinds(connection, set(map(_PROFILE_OF, rows)))


def told(
    rows: Sequence[Sequence[Any]], known: Mapping[str, Kind], now_ns: int, offline_after_s: float
) -> list[orjson.Fragment]:
    """The rows as JSON, as the seeds' frontends read them, with more keys; those of ALL_COLUMNS with what v1 tells.

    Asked for again and again for a whole fleet: so the rule of shared.presence stands here once more, in place, and
    what a device was told to be it is told to be again, until something of it changes.
    """
    heard_since = now_ns - int(offline_after_s * 1e9)
    devices_told = []
    for row in rows:
        _, _, _, profile, _, _, seen_ns, _, status, status_ns, *_ = row
        if seen_ns is None or (status_ns is not None and seen_ns <= status_ns):
            is_online = status == "online"
        else:
            is_online = seen_ns >= heard_since
        devices_told.append(_written("online" if is_online else "offline", known.get(profile, UNKNOWN), *row))
    return devices_told


# all that it is made of is its key, so that nothing old is ever told
@lru_cache(maxsize=_REMEMBERED)
def _written(presence: Presence, kind: Kind, *row: Any) -> orjson.Fragment:
    key, device_id, name, profile, claimed, measurement, seen_ns, newest, _, _, *more = row
    value_of = orjson.loads(newest).get if newest else _NOTHING.get
    device = {
        "id": key,
        "device_id": device_id,
        "name": name,
        "status": presence,
        "last_seen": None if seen_ns is None else iso_ns(seen_ns),
        "temperature": value_of("temperature"),
        "humidity": value_of("humidity"),
        "pressure": value_of("pressure"),
        "values": orjson.Fragment(newest) if newest else _NOTHING,
        "measurement": measurement or kind.measurement,
        "profile": profile,
        "units": kind.units,
        "claimed": claimed == 1,
    }
    if more:
        disabled, user_id, created_ns = more
        device |= {"disabled": disabled, "user_id": user_id, "created_at": iso_ns(created_ns)}
    return orjson.Fragment(kept_json(device))
