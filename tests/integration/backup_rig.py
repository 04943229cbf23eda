"""A system with something of everything in it, and all of it read again without the code of backups."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from rich.progress import Progress
from sqlalchemy import JSON, BigInteger, Boolean, Column, Integer, LargeBinary, String, Table, insert, select

from shared.database.migrations.upgrade import upgrade
from shared.database.tables import metadata
from shared.readings import Reading
from shared.timeseries.holdings import LateNote
from shared.timeseries.settings import StoreSettings
from shared.timeseries.store import LateQuery, LateRange, RawQuery
from telemetrio.backup.manifest import Entry
from telemetrio.backup.restore import Restored, restore
from telemetrio.backup.system import System, opened
from telemetrio.backup.take import Wanted, take
from tests.fakes.batches import committed

BEGIN_NS: Final = 1_767_268_800_000_000_000
DEVICES: Final = ("a", "b.c:d-e_f", "Z9", "deleted")
_ROWS: Final = 3
_ALL: Final = Wanted()


def settings(folder: Path, **given: Any) -> StoreSettings:
    """Of a system on files, but for what is given."""
    folder.mkdir(exist_ok=True)
    return StoreSettings(data_dir=folder, _env_file=None, **given)


def value_of(column: Column[Any], number: int) -> Any:
    """Something that this column may hold, and each time something else."""
    if column.nullable and number % 2 == 0:
        return None
    text = f"{number}é\n\"'\\ {column.name}"
    document = {"z": [number, None, 1.5, "é😀\\u0000"], "a": {"deep": True, "2": number / 7}}
    is_key = bool(column.foreign_keys) or column.primary_key or column.name == "user_id"
    kinds: list[tuple[type[Any], Any]] = [
        (Boolean, number % 2 == 1),
        (JSON, document),
        (LargeBinary, bytes(range(256)) * number),
        (String, text[: getattr(column.type, "length", None)]),
        (Integer, number if is_key else 2**60 + number if isinstance(column.type, BigInteger) else number),
    ]
    return next(value for kind, value in kinds if isinstance(column.type, kind))


def rows_of(table: Table) -> list[dict[str, Any]]:
    return [{column.name: value_of(column, number) for column in table.columns} for number in range(1, _ROWS + 1)]


def readings() -> list[Reading]:
    """Of several owners, in several measurements, some at one moment, with every kind of value."""
    values: list[dict[str, float | bool | str]] = [
        {"t": 1 / 3, "h": -0.1},
        {"t": 1e300, "tiny": 5e-324, "whole": 2.0**53},
        {"on": True, "off": False, "t": 0.0},
        {"mode": 'é"\\, =\n', "t": 1e22},
    ]
    return [
        Reading(device_id, owner, measurement, BEGIN_NS + 1_000_000_007 * number, values[number % 4])
        for device_id in DEVICES
        for owner, measurement in ((1, "sensor_data"), (2, "knee_data"), (2, "sensor_data"))
        for number in range(24)
    ]


NOTES: Final = [
    LateNote(BEGIN_NS + 10**12 * commit, LateRange(device_id, owner, BEGIN_NS - commit, BEGIN_NS + 5, commit))
    for commit in (1, 2, 3)
    for device_id in DEVICES[:2]
    for owner in (1, 2)
]


async def fill(system: System) -> None:
    """Every table, by what its columns are, and the store."""
    await upgrade(system.engine)
    async with system.engine.begin() as connection:
        for table in metadata.sorted_tables:
            await connection.execute(insert(table), rows_of(table))
    await system.store.write([committed(readings())])
    await system.holdings.note(NOTES)


async def tables(system: System) -> dict[str, Sequence[Any]]:
    """The rows of each, but for what was noted of the restore itself."""
    found: dict[str, Sequence[Any]] = {}
    async with system.engine.connect() as connection:
        for table in metadata.sorted_tables:
            rows = await connection.execute(select(table).order_by(*table.primary_key.columns))
            found[table.name] = [tuple(row) for row in rows if "restored" not in tuple(row)]
    return found


async def history(system: System, devices: Sequence[str] = DEVICES) -> list[Reading]:
    found: list[Reading] = []
    for device_id in devices:
        page = await system.store.raw(RawQuery(device_id, None, -(2**63), 2**63 - 1, 100_000))
        assert not page.more
        found += page.readings
    return found


async def late(system: System) -> list[Sequence[LateRange]]:
    """What was late since each commit."""
    return [await system.store.late(LateQuery(None, committed_ns, 2**62)) for committed_ns, _ in NOTES]


async def everything(system: System) -> tuple[Any, ...]:
    return await tables(system), await history(system), await late(system)


async def backed_up(file: Path, of: StoreSettings, wanted: Wanted = _ALL) -> list[Entry]:
    async with opened(of) as system:
        return (await take(file, wanted, system, Progress(disable=True))).parts


async def restored(file: Path, into: StoreSettings, *, replace: bool = False) -> Restored:
    async with opened(into) as system:
        return await restore(file, replace=replace, system=system, progress=Progress(disable=True))


def contents(parts: Sequence[Entry]) -> list[Entry]:
    """What two archives of equal systems have in common: all but the audit, where a restore is noted."""
    return [entry for entry in parts if not entry.name.startswith("database/audit/")]
