"""GET /api/v1/ingest/books and /stages."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from quart import Blueprint, Response
from quart_schema import document_querystring, document_response, tag

from services.api.auth import Caller, guarded
from services.api.encoding import reply
from services.api.ingest import queries
from services.api.ingest.schemas import Books, Stages
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


@routes.get("/api/v1/ingest/stages")
@guarded("admin")
@tag(["ingest"])
@document_querystring(Query)
@document_response(Stages)
async def ingest_stages(_caller: Caller) -> Response:
    """How long readings took, by stage and source: of the last minute before the source told it."""
    query(Query)
    books = await queries.all_books(resources().engine)
    now_ns = time.time_ns()
    return reply({"sources": [_stages(book, now_ns) for book in books]})


def _stages(book: Mapping[str, Any], now_ns: int) -> dict[str, Any]:
    told = [{"stage": stage, **took} for stage, took in book["stages"].items()]
    return {"source": book["source"], "epoch": book["epoch"], "stages": told, **_age(book["updated_ns"], now_ns)}


def _age(updated_ns: int, now_ns: int) -> dict[str, Any]:
    return {"updated_at": iso_ns(updated_ns), "age_s": round(max(now_ns - updated_ns, 0) / 1e9, 3)}


def _source(book: Mapping[str, Any], now_ns: int) -> dict[str, Any]:
    return {
        "source": book["source"],
        "epoch": book["epoch"],
        **{name: book[name] for name in COLUMNS},
        "balanced": balanced(book),
        **_age(book["updated_ns"], now_ns),
    }


def _total(books: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    total = {name: sum(book[name] for book in books) for name in COLUMNS}
    # two that are off by the same would cancel out in the sum
    return {**total, "balanced": all(balanced(book) for book in books)}
