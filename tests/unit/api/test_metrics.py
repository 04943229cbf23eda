"""What an api tells of itself: by route, never by what a stranger made up."""

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy.ext.asyncio import AsyncEngine

from services.api.metrics import Requests, measured, watch_pool
from shared.database.engine import open_engine
from shared.timeseries.sqlite import SqliteStore
from shared.timeseries.store import RawQuery, Unavailable
from tests.fakes.store import FailingStore
from tests.integration.api_rig import Api, make

QUERY = RawQuery("d1", None, 0, 1, 1)


def value(registry: CollectorRegistry, name: str, **labels: str) -> float:
    return registry.get_sample_value(f"telemetrio_api_{name}", labels) or 0.0


@pytest.fixture
def engine(tmp_path: Path) -> AsyncEngine:
    return open_engine(f"sqlite+aiosqlite:///{tmp_path / 'x.db'}")


@pytest.fixture
def api(tmp_path: Path, engine: AsyncEngine) -> Api:
    """Without tables: what it answers is not the point."""
    return make(tmp_path, engine, SqliteStore(tmp_path / "r.db"))


async def test_requests_are_counted_by_route_and_status(api: Api, engine: AsyncEngine) -> None:
    """An id in a path, a path that nobody serves and a method that nobody knows make no series of their own."""
    registry = CollectorRegistry()
    Requests(registry).watch(api.app)
    for path in ("/healthz", "/healthz", "/api/v1/items/1", "/api/v1/items/2", "/nothing/1", "/nothing/2"):
        await api.get(path)
    for method in ("BREW", "WHEN"):
        await api.ask(method, "/healthz")
    counted = {
        tuple(sample.labels.values()): sample.value
        for metric in registry.collect()
        for sample in metric.samples
        if sample.name == "telemetrio_api_requests_total"
    }
    assert counted == {
        ("GET", "/healthz", "200"): 2,
        ("GET", "/api/v1/items/<item_id>", "503"): 2,
        ("", "", "404"): 2,
        ("", "", "405"): 2,
    }
    assert value(registry, "request_seconds_count", method="GET", route="/healthz") == 2
    await engine.dispose()


async def test_questions_to_the_store_are_timed_by_how_they_ended() -> None:
    """Whatever it can be asked; what is no question is passed on as it is."""
    registry = CollectorRegistry()
    broken = FailingStore(Unavailable("away"))
    store = measured(broken, registry)
    with pytest.raises(Unavailable):
        await store.write([])
    await store.ping()
    assert value(registry, "store_seconds_count", question="write", outcome="unavailable") == 1
    assert value(registry, "store_seconds_count", question="ping", outcome="ok") == 1
    assert vars(store)["_store"] is broken
    assert getattr(store, "under_way") == 0  # noqa: B009 - it is not part of the protocol


async def test_connections_in_use_are_told(engine: AsyncEngine) -> None:
    """As they are at the moment of the question."""
    registry = CollectorRegistry()
    watch_pool(registry, engine)
    async with engine.connect():
        assert value(registry, "pool_connections") == 1
    assert value(registry, "pool_connections") == 0
    await engine.dispose()
