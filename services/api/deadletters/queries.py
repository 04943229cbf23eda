"""Dead letters as ingest pushed them. A letter without an owner is an admin's business alone."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, LargeBinary, false, func, literal, or_, select, true
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database.tables import dead_letters

# enough for 2,000 characters of UTF-8: a page of whole payloads could be 64 MB
_SHOWN_BYTES: Final = 8_000

_SHOWN: Final = [column for column in dead_letters.c if column.name != "payload"]
# SQLite finds NULL where an empty payload begins
_START: Final = func.coalesce(
    func.substr(dead_letters.c.payload, 1, _SHOWN_BYTES), literal(b""), type_=LargeBinary
).label("payload")


class Filter(NamedTuple):
    """`tenants` None: an admin's view."""

    tenants: Sequence[int] | None
    codes: Sequence[str] | None = None
    device_ids: Sequence[str] | None = None
    kind: str | None = None
    ids: Sequence[int] | None = None
    q: str | None = None


async def page_of_letters(
    engine: AsyncEngine, wanted: Filter, *, limit: int, offset: int
) -> tuple[Sequence[Mapping[str, Any]], int]:
    """One page, the newest first, and how many there are."""
    where = _where(wanted)
    ordered = select(*_SHOWN, _START).where(where).order_by(dead_letters.c.received_ns.desc(), dead_letters.c.id.desc())
    counted = select(func.count()).select_from(dead_letters).where(where)
    async with engine.connect() as connection:
        total = (await connection.execute(counted)).scalar_one()
        rows = (await connection.execute(ordered.limit(limit).offset(offset))).mappings().all()
    return [dict(row) for row in rows], total


async def codes_of_letters(engine: AsyncEngine, wanted: Filter) -> Sequence[Mapping[str, Any]]:
    """Each reason with its number of letters, of devices, and the newest; the most frequent first."""
    letters = dead_letters.c
    count = func.count()
    statement = (
        select(
            letters.code,
            count.label("letters"),
            func.count(letters.device_id.distinct()).label("devices"),
            func.max(letters.received_ns).label("newest_ns"),
        )
        .where(_where(wanted))
        .group_by(letters.code)
        .order_by(count.desc(), letters.code)
    )
    async with engine.connect() as connection:
        return [dict(row) for row in (await connection.execute(statement)).mappings()]


async def one_letter(engine: AsyncEngine, key: int, tenants: Sequence[int] | None) -> Mapping[str, Any] | None:
    """With all of the payload that was kept."""
    statement = select(dead_letters).where(dead_letters.c.id == key, _where(Filter(tenants)))
    async with engine.connect() as connection:
        row = (await connection.execute(statement)).mappings().first()
    return dict(row) if row is not None else None


async def files_of_letters(engine: AsyncEngine, wanted: Filter, limit: int) -> dict[tuple[str, str], list[int]]:
    """(source, epoch) → row ids there, the oldest first: the address of each letter."""
    letters = dead_letters.c
    statement = select(letters.source, letters.epoch, letters.letter).where(_where(wanted)).order_by(letters.id)
    found: dict[tuple[str, str], list[int]] = {}
    async with engine.connect() as connection:
        for source, epoch, letter in await connection.execute(statement.limit(limit)):
            found.setdefault((source, epoch), []).append(letter)
    return found


def _where(wanted: Filter) -> ColumnElement[bool]:
    where: ColumnElement[bool] = true()
    for column, values in (
        (dead_letters.c.user_id, wanted.tenants),
        (dead_letters.c.code, wanted.codes),
        (dead_letters.c.device_id, wanted.device_ids),
        (dead_letters.c.id, wanted.ids),
        (dead_letters.c.kind, None if wanted.kind is None else [wanted.kind]),
    ):
        if values is not None:
            where = where & (column.in_(values) if values else false())
    if wanted.q is not None:
        columns = (dead_letters.c.device_id, dead_letters.c.topic, dead_letters.c.code, dead_letters.c.detail)
        where = where & or_(*(column.icontains(wanted.q, autoescape=True) for column in columns))
    return where
