"""GET /api/v1/readings/export and POST /api/v1/readings/import: any number of readings, in flat memory."""

import asyncio
import time
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from functools import partial
from typing import Final, TypeVar

import structlog
from quart import Blueprint, Response, request
from quart_schema import document_querystring, document_response, tag

from services.api.auth import Caller, guarded
from services.api.encoding import reply
from services.api.errors import Away, BadRequest, Detail, NotFound, WrongType
from services.api.inputs import query
from services.api.moments import teller
from services.api.resources import Resources, resources
from services.api.streaming import CutShort, Streams
from services.api.transfer import queries
from services.api.transfer.history import PAGE, pages
from services.api.transfer.imports import Importer
from services.api.transfer.judging import Judge, metric_names, usable
from services.api.transfer.parquet import ParquetTable
from services.api.transfer.records import Records
from services.api.transfer.rows import CsvReader, NdjsonReader, Reader
from services.api.transfer.schemas import ExportQuery, ImportQuery, ImportReport
from services.api.transfer.tables import LongTable, NdjsonTable, Table, WideTable
from shared.readings import Reading
from shared.times import iso_ns
from shared.timeseries.store import RawQuery, StoreError

T = TypeVar("T")

log = structlog.get_logger()

routes = Blueprint("transfer", __name__)

IMPORT_PATH: Final = "/api/v1/readings/import"
_EVERY: Final = ["*"]
_CSV: Final = "text/csv"
_NDJSON: Final = ("application/x-ndjson", "application/ndjson", "application/jsonl")
_LOOKS: Final = 8
_LOOK_EVERY_S: Final = 0.5
_STOPPING: Final = "The server is about to end"


@routes.get("/api/v1/readings/export")
@guarded()
@tag(["readings"])
@document_querystring(ExportQuery)
async def export(caller: Caller) -> Response:
    """Download readings of any number: device by device, each from its oldest to its newest."""
    asked = query(ExportQuery)
    _refuse_nonsense(asked)
    given = resources()
    device_ids = await _devices(caller, asked, given)
    table = await _table(caller, asked, given)
    given.streams.join(caller.user_id)
    wanted = RawQuery("", caller.tenants, asked.start, asked.end, PAGE, asked.metrics)
    source = pages(given.store, device_ids, wanted)
    first = await anext(source, None)  # a store that is away is said before the answer begins
    name = f"readings-{iso_ns(time.time_ns())[:19].replace(':', '')}Z.{table.suffix}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"}
    body = b"" if request.method == "HEAD" else _told(table, first, source, given.streams)
    response = Response(body, headers=headers, content_type=table.content_type)
    response.timeout = None
    return response


def _refuse_nonsense(asked: ExportQuery) -> None:
    if asked.start >= asked.end:
        raise BadRequest("start must be before end", "empty_range", field="start")
    if asked.shape is not None and asked.format != "csv":
        raise BadRequest(f"shape is of CSV alone: leave it out for {asked.format}", "bad_query", field="shape")
    if asked.epoch is not None and asked.format == "parquet":
        raise BadRequest("Parquet has times of its own: leave epoch out", "bad_query", field="epoch")


async def _devices(caller: Caller, asked: ExportQuery, given: Resources) -> list[str]:
    names = None if asked.devices == _EVERY else asked.devices
    found = await queries.devices_with_readings(given.engine, caller.tenants, names)
    if missing := sorted(set(names or ()).difference(found)):
        code, message = "device_not_found", "Device not found"
        details = [Detail("devices", code, f"{name[:128]}: {message}") for name in missing]
        raise NotFound(message, code, details=details)
    return found


async def _table(caller: Caller, asked: ExportQuery, given: Resources) -> Table:
    told = teller(asked.epoch)
    if asked.format == "parquet":
        return await asyncio.to_thread(ParquetTable)  # its library takes a while to load
    if asked.format == "ndjson":
        return NdjsonTable(told)
    if asked.shape == "long":
        return LongTable(told)
    if asked.metrics is not None:
        return WideTable(told, asked.metrics, rest=False)
    names = None if asked.devices == _EVERY else asked.devices
    seen = await queries.metrics_seen(given.engine, caller.tenants, names)
    used = await queries.profiles_used(given.engine, caller.tenants, names)
    profiles = usable(await queries.profile_rows(given.engine))
    return WideTable(told, sorted(seen | metric_names(profiles, used)), rest=True)


async def _told(
    table: Table, first: Sequence[Reading] | None, source: AsyncIterator[Sequence[Reading]], streams: Streams
) -> AsyncIterator[bytes]:
    """As fast as the client reads, and a page ahead at most; what breaks off says so."""
    try:
        yield table.begin()
        if first:
            yield await asyncio.to_thread(table.block, first)
        async for readings in _until_the_end(source, streams):
            yield await asyncio.to_thread(table.block, readings)
        yield await asyncio.to_thread(table.end)
    except (StoreError, Away) as error:
        stopping = isinstance(error, Away)
        yield table.broken(_STOPPING if stopping else "The time-series store can't be reached just now")
        raise CutShort(str(error)) from error


@routes.post(IMPORT_PATH)
@guarded()
@tag(["readings"])
@document_querystring(ImportQuery)
@document_response(ImportReport)
async def import_readings(caller: Caller) -> Response:
    """Take readings of any number from a file, as an export gives it or as devices send them, with their times."""
    asked = query(ImportQuery)
    records, reader = _reader()
    given = resources()
    given.streams.join(caller.user_id)
    source = await _worker(given)
    max_ahead_ns = int(given.settings.max_ahead_s * 1e9)
    judge = Judge(await queries.profile_rows(given.engine), time.time_ns(), max_ahead_ns)
    importer = Importer(records, reader, judge, partial(given.commander.command, source), asked.from_row)
    find = partial(queries.importable, given.engine, caller.tenants)
    await importer.run(_until_the_end(request.body, given.streams), find)
    account = importer.account
    log.info("imported", user_id=caller.user_id, rows=account.rows, accepted=account.accepted)
    return reply(account.told)


async def _worker(given: Resources) -> str:
    """The one that was heard of last; one that has just begun shows its books within a second or two."""
    for _ in range(_LOOKS):
        source = await queries.newest_source(given.engine)
        if source is not None:
            return source
        await asyncio.sleep(_LOOK_EVERY_S)
    raise Away("No ingest worker has been heard of yet", "ingest_unavailable")


def _reader() -> tuple[Records, Reader]:
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise WrongType("The file must come as it is, not compressed", "encoding_not_supported")
    if request.mimetype == _CSV:
        return Records(quoted=True), CsvReader()
    if request.mimetype in _NDJSON:
        return Records(quoted=False), NdjsonReader()
    message = f"The file must be CSV or NDJSON: send Content-Type: {_CSV} or {_NDJSON[0]}"
    raise WrongType(message, "not_a_table")


async def _until_the_end(source: AsyncIterable[T], streams: Streams) -> AsyncIterator[T]:
    """Of the process, which doesn't wait for that of a file."""
    async for each in source:
        if streams.ending:
            raise Away(_STOPPING, "server_stopping")
        yield each
