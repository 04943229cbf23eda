"""GET /api/v1/ingest/books."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from quart import Blueprint, Response
from quart_schema import document_querystring, document_response, tag

from services.api.auth import Caller, guarded
from services.api.encoding import reply
from services.api.ingest import queries
from services.api.ingest.schemas import Books
from services.api.inputs import Query, query
from services.api.resources import resources
from shared.books import COLUMNS, balanced
from shared.times import iso_ns

routes = Blueprint("ingest", __name__)


@routes.get("/api/v1/ingest/books")
@guarded("admin")
@tag(["ingest"])
@document_querystring(Query)
@document_response(Books)
async def ingest_books(_caller: Caller) -> Response:
    """What ingest received and where each entry is now, by source and in all."""
    query(Query)
    books = await queries.all_books(resources().engine)
    now_ns = time.time_ns()
    return reply({"sources": [_source(book, now_ns) for book in books], "total": _total(books)})


def _source(book: Mapping[str, Any], now_ns: int) -> dict[str, Any]:
    updated_ns = book["updated_ns"]
    return {
        "source": book["source"],
        "epoch": book["epoch"],
        **{name: book[name] for name in COLUMNS},
        "balanced": balanced(book),
        "updated_at": iso_ns(updated_ns),
        "age_s": round(max(now_ns - updated_ns, 0) / 1e9, 3),
    }


def _total(books: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    total = {name: sum(book[name] for book in books) for name in COLUMNS}
    # two that are off by the same would cancel out in the sum
    return {**total, "balanced": all(balanced(book) for book in books)}
