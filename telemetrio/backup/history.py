"""All readings as lines, device by device, each from its oldest to its newest; and the index of those that came late.

A line is the one encoding of a reading (docs/protocol.md), its metrics in order, so that equal data are equal bytes.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

import orjson
from sqlalchemy import select, union

from shared.database.tables import device_measurements, devices
from shared.keptjson import kept_json
from shared.readings import Reading, decode_readings
from shared.timeseries.holdings import LateNote
from shared.timeseries.store import LateRange, RawQuery
from telemetrio.backup.manifest import Header
from telemetrio.backup.system import System, patiently

READINGS: Final = "readings"
LATE: Final = "late"
_PAGE: Final = 5_000

# how many devices of how many are through
Told = Callable[[int, int], None]


async def readings(system: System, header: Header, told: Told, after: bytes | None = None) -> AsyncIterator[bytes]:
    """Of every device that the store or the registry knows; `after`: the last line that is there already."""
    known = await _devices(system)
    wanted = RawQuery("", None, header.start_ns, header.end_ns, _PAGE)
    if after is not None:
        (last,) = decoded([after])
        known = [device_id for device_id in known if device_id >= last.device_id]
        wanted = replace(wanted, device_id=last.device_id, after=(last.ts_ns, last.measurement, last.user_id))
    for through, device_id in enumerate(known):
        told(through, len(known))
        query = wanted if device_id == wanted.device_id else replace(wanted, device_id=device_id, after=None)
        async for line in _of_device(system, query):
            yield line
    told(len(known), len(known))


async def _of_device(system: System, query: RawQuery) -> AsyncIterator[bytes]:
    more = True
    while more:
        page = await patiently(partial(system.store.raw, query))
        for reading in page.readings:
            yield kept_json(tuple(reading), option=orjson.OPT_SORT_KEYS)
        more = page.more and bool(page.readings)
        if more:
            last = page.readings[-1]
            query = replace(query, after=(last.ts_ns, last.measurement, last.user_id))


async def _devices(system: System) -> list[str]:
    statement = union(select(devices.c.device_id), select(device_measurements.c.device_id))
    async with system.engine.connect() as connection:
        registered = await connection.scalars(statement)
    return sorted({*registered, *await patiently(system.holdings.devices)})


async def late(system: System, header: Header) -> AsyncIterator[bytes]:
    """What was committed in the range, long after its own time: who comes back with an old cursor looks for it."""
    for device_id in await patiently(system.holdings.noted):
        ask = partial(system.holdings.notes, device_id, header.start_ns, header.end_ns)
        for committed_ns, found in await patiently(ask):
            yield kept_json([committed_ns, *found])


def decoded(lines: Sequence[bytes]) -> list[Reading]:
    """Readings of lines."""
    return decode_readings(b"[%b]" % b",".join(lines))


def decoded_late(lines: Sequence[bytes]) -> list[LateNote]:
    """Notes of lines."""
    return [LateNote(committed_ns, LateRange(*found)) for committed_ns, *found in map(orjson.loads, lines)]
