"""GET /api/v1/ingest/books: what was received, and where it is."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.api import auth
from services.api.auth import Caller
from services.api.ingest.schemas import Books, Stages
from shared.database.tables import ingest_books
from tests.integration.api_rig import Api, opened

PATH = "/api/v1/ingest/books"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path) as given:
        yield given


async def test_books_are_told_by_source_and_in_all(api: Api) -> None:
    """Each counter, whether it balances, and how old the figures are."""
    told_ns = time.time_ns() - 5_000_000_000
    one = {"source": "a", "epoch": "e1", "received": 10, "stored": 6, "spooled": 3, "dead_lettered": 1}
    two = {"source": "b", "epoch": "e2", "received": 5, "stored": 4, "discarded": 1, "duplicates": 2}
    for row in (one, two):
        await api.fill(ingest_books, {**row, "updated_ns": told_ns})
    books = (await api.get(PATH)).json
    Books.model_validate(books)
    assert [(book["source"], book["received"], book["balanced"]) for book in books["sources"]] == [
        ("a", 10, True),
        ("b", 5, True),
    ]
    assert 5.0 <= books["sources"][0]["age_s"] < 60.0
    total = books["total"]
    assert (total["received"], total["stored"], total["spooled"], total["dead_lettered"]) == (15, 10, 3, 1)
    assert (total["discarded"], total["duplicates"], total["balanced"]) == (1, 2, True)


async def test_stages_are_told_by_source(api: Api) -> None:
    """Each with the middle and the worst of its newest samples; a source that never measured any has none."""
    took = {"p50_ms": 1.5, "p99_ms": 20.0, "n": 7}
    told_ns = time.time_ns() - 5_000_000_000
    await api.fill(ingest_books, {"source": "a", "epoch": "e", "stages": {"commit": took}, "updated_ns": told_ns})
    await api.fill(ingest_books, {"source": "b", "epoch": "e", "updated_ns": 0})
    told = (await api.get("/api/v1/ingest/stages")).json
    Stages.model_validate(told)
    assert [(each["source"], each["stages"]) for each in told["sources"]] == [
        ("a", [{"stage": "commit", **took}]),
        ("b", []),
    ]
    assert 5.0 <= told["sources"][0]["age_s"] < 60.0


async def test_two_mistakes_do_not_cancel_out(api: Api) -> None:
    """One source that lost an entry and one that has it too many are not balanced together."""
    for source, stored in (("a", 9), ("b", 11)):
        row = {"source": source, "epoch": "e", "received": 10, "stored": stored, "updated_ns": 0}
        await api.fill(ingest_books, row)
    books = (await api.get(PATH)).json
    assert [book["balanced"] for book in books["sources"]] == [False, False]
    assert books["total"]["balanced"] is False


async def test_before_the_first_entry_the_books_are_empty(api: Api) -> None:
    """And balanced."""
    books = (await api.get(PATH)).json
    assert (books["sources"], books["total"]["received"], books["total"]["balanced"]) == ([], 0, True)


async def test_the_books_are_an_admins_business(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """They count every tenant's entries."""
    monkeypatch.setattr(auth, "identify", lambda: Caller(2, "user"))
    refused = await api.get(PATH)
    assert (refused.status, refused.json["code"]) == (403, "admin_only")
