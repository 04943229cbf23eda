"""GET /api/v1/dead-letters, one of them, and its raw bytes; POST to drive them again or discard them."""

import secrets
from collections.abc import Mapping
from typing import Any, Final, Literal

from quart import Blueprint, Response
from quart_schema import document_querystring, document_request, document_response, tag

from services.api.auth import Caller, guarded
from services.api.deadletters import queries
from services.api.deadletters.schemas import (
    MAX_AT_ONCE,
    Chosen,
    Codes,
    CodesQuery,
    Commanded,
    Letter,
    Letters,
    LettersQuery,
)
from services.api.encoding import reply
from services.api.errors import NotFound
from services.api.inputs import Query, body, query, row_id
from services.api.resources import resources
from shared.commands import MAX_LETTERS, Command
from shared.times import iso_ns

routes = Blueprint("deadletters", __name__)

_WHAT: Final = "Dead letter"
_SHOWN_CHARACTERS: Final = 2_000


@routes.get("/api/v1/dead-letters")
@guarded()
@tag(["dead letters"])
@document_querystring(LettersQuery)
@document_response(Letters)
async def list_letters(caller: Caller) -> Response:
    """What could not be stored and why, the newest first, a page at a time."""
    asked = query(LettersQuery)
    page, per_page, offset = asked.window()
    wanted = queries.Filter(caller.tenants, asked.code, asked.device_id, asked.kind, q=asked.q)
    letters, total = await queries.page_of_letters(resources().engine, wanted, limit=per_page, offset=offset)
    return reply({"data": [_letter(row) for row in letters], "total": total, "page": page, "per_page": per_page})


@routes.get("/api/v1/dead-letters/codes")
@guarded()
@tag(["dead letters"])
@document_querystring(CodesQuery)
@document_response(Codes)
async def codes_of_letters(caller: Caller) -> Response:
    """Why things could not be stored, and how often."""
    asked = query(CodesQuery)
    wanted = queries.Filter(caller.tenants, device_ids=asked.device_id)
    found = await queries.codes_of_letters(resources().engine, wanted)
    shown = [{**row, "newest_at": iso_ns(row["newest_ns"])} for row in found]
    return reply([{name: row[name] for name in ("code", "letters", "devices", "newest_at")} for row in shown])


@routes.get("/api/v1/dead-letters/<digits:letter_id>")
@guarded()
@tag(["dead letters"])
@document_querystring(Query)
@document_response(Letter)
async def one_letter(caller: Caller, letter_id: str) -> Response:
    """One dead letter."""
    query(Query)
    return reply(_letter(await _found(caller, letter_id)))


@routes.get("/api/v1/dead-letters/<digits:letter_id>/raw")
@guarded()
@tag(["dead letters"])
@document_querystring(Query)
async def raw_letter(caller: Caller, letter_id: str) -> Response:
    """The bytes that the device sent, as a download: its first 64 KiB."""
    query(Query)
    row = await _found(caller, letter_id)
    # a payload is whatever a stranger sent: never shown by a browser, always saved
    headers = {
        "Content-Disposition": f'attachment; filename="dead-letter-{row["id"]}.bin"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return Response(bytes(row["payload"]), headers=headers, content_type="application/octet-stream")


@routes.post("/api/v1/dead-letters/redrive")
@guarded()
@tag(["dead letters"])
@document_request(Chosen)
@document_response(Commanded, 202)
async def redrive_letters(caller: Caller) -> Response:
    """Judge them again, as if they had just been received: after whatever was wrong has been mended."""
    return await _command(caller, "redrive")


@routes.post("/api/v1/dead-letters/discard")
@guarded()
@tag(["dead letters"])
@document_request(Chosen)
@document_response(Commanded, 202)
async def discard_letters(caller: Caller) -> Response:
    """Give them up for good."""
    return await _command(caller, "discard")


async def _command(caller: Caller, action: Literal["redrive", "discard"]) -> Response:
    chosen = await body(Chosen)
    wanted = queries.Filter(caller.tenants, chosen.code, chosen.device_id, chosen.kind, chosen.ids, chosen.q)
    files = await queries.files_of_letters(resources().engine, wanted, MAX_AT_ONCE)
    if chosen.ids is not None and not files:
        raise NotFound("Dead letter not found", "dead_letter_not_found")
    for (source, epoch), letters in files.items():
        for begin in range(0, len(letters), MAX_LETTERS):
            some = tuple(letters[begin : begin + MAX_LETTERS])
            command = Command(command_id=secrets.token_hex(16), action=action, epoch=epoch, letters=some)
            await resources().commander.command(source, command)
    return reply({"commanded": sum(len(letters) for letters in files.values())}, 202)


async def _found(caller: Caller, letter_id: str) -> Mapping[str, Any]:
    row = await queries.one_letter(resources().engine, row_id(letter_id, _WHAT), caller.tenants)
    if row is None:
        raise NotFound("Dead letter not found", "dead_letter_not_found")
    return row


def _letter(row: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("id", "kind", "code", "detail", "device_id", "topic", "entries", "payload_bytes", "sha256")
    return {
        **{name: row[name] for name in kept},
        "received_at": iso_ns(row["received_ns"]),
        "payload_text": bytes(row["payload"]).decode("utf-8", "replace")[:_SHOWN_CHARACTERS],
        "paths": [{"path": path, "code": code} for path, code in row["paths"]],
    }
