"""/api/v1/devices/bulk: a fleet in, from a CSV file, and out again."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, cast

import orjson
from quart import Blueprint, Response, request
from quart_schema import document_querystring, document_response, tag

from services.api.audit.records import note
from services.api.auth import Caller, guarded
from services.api.bulk import queries, sheet
from services.api.bulk.queries import Taken
from services.api.bulk.schemas import BulkQuery, BulkReport
from services.api.encoding import reply
from services.api.errors import WrongType
from services.api.inputs import Query, query
from services.api.resources import resources

PATH: Final = "/api/v1/devices/bulk"

routes = Blueprint("bulk", __name__, url_prefix=PATH)


@routes.get("")
@guarded()
@tag(["devices"])
@document_querystring(Query)
async def export_devices(caller: Caller) -> Response:
    """All devices of the caller as CSV, as POST takes it."""
    query(Query)
    steps = queries.devices_of(resources().engine, caller.tenants)
    first: Sequence[Any] = await anext(steps, ())  # a database that is away is an error, not half a file
    response = Response(_file(first, steps), content_type="text/csv; charset=utf-8")
    response.timeout = None
    response.headers["Content-Disposition"] = 'attachment; filename="devices.csv"'
    response.headers["Cache-Control"] = "no-store"
    return response


@routes.post("")
@guarded()
@tag(["devices"])
@document_querystring(BulkQuery)
@document_response(BulkReport)
async def import_devices(caller: Caller) -> Response:
    """Add devices, or change those of the caller, from a CSV file; the report tells of each row what became of it.

    What is refused keeps nothing else from being taken, and sending the same file again changes nothing more.
    """
    asked = query(BulkQuery)
    if request.mimetype != "text/csv":
        raise WrongType("The body must be CSV: send Content-Type: text/csv", "not_csv")
    raw = cast("bytes", await request.get_data(parse_form_data=False))
    await asyncio.to_thread(sheet.check, raw)
    count: Counter[str] = Counter()
    report: list[bytes] = []
    try:
        for chunk in sheet.chunks(raw):
            told = await _take(caller, chunk, dry_run=asked.dry_run)
            count.update(each["outcome"] for each in told)
            # as text a hundred thousand of them are a few MiB, as objects ten times that
            report.append(orjson.dumps(told)[1:-1])
    finally:
        if not asked.dry_run and count["added"] + count["changed"]:
            resources().registry_changed()
    outcomes = {name: count[name] for name in ("added", "changed", "unchanged", "refused")}
    listed = orjson.Fragment(b"[" + b",".join(report) + b"]")
    return reply({"rows": count.total(), **outcomes, "dry_run": asked.dry_run, "report": listed})


async def _take(caller: Caller, chunk: Sequence[sheet.Row | sheet.Refused], *, dry_run: bool) -> list[dict[str, Any]]:
    rows = [each for each in chunk if isinstance(each, sheet.Row)]
    taken = await queries.take(resources().engine, caller, rows, time.time_ns(), dry_run=dry_run)
    claimed = [each.row.device_id for each in taken if each.claimed]
    if claimed and not dry_run:
        await note("device_claimed", caller.user_id, f"{len(claimed)} devices: {', '.join(claimed)}")
    refused = [Taken(each, "refused", each.code, each.message) for each in chunk if isinstance(each, sheet.Refused)]
    told = sorted([*taken, *refused], key=lambda each: each.row.number)
    return [
        {
            "row": each.row.number,
            "device_id": each.row.device_id,
            "outcome": each.outcome,
            "code": each.code,
            "message": each.message,
        }
        for each in told
    ]


async def _file(first: Sequence[Any], steps: AsyncIterator[Sequence[Any]]) -> AsyncIterator[str]:
    yield sheet.write([sheet.COLUMNS])
    yield _lines(first)
    async for rows in steps:
        yield _lines(rows)


def _lines(rows: Sequence[Any]) -> str:
    return sheet.write((row.device_id, row.name, row.profile, str(row.disabled).lower()) for row in rows)
