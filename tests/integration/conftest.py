"""Both databases for every test of a route, without a word in the test."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.api_rig import prepared
from tests.peers.postgres import Cluster, cluster, shared_cluster
from tests.peers.tables import file_with_tables

__all__ = ["cluster", "shared_cluster"]  # fixtures, asked for by their names

_DIALECTS = ["sqlite", pytest.param("postgresql", marks=pytest.mark.peer("postgres"))]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Whoever asks for `api` in a `test_api_*.py` is run on SQLite and on PostgreSQL."""
    if metafunc.definition.path.name.startswith("test_api_") and "api" in metafunc.fixturenames:
        metafunc.fixturenames.insert(0, "dialect")  # before `api`, which opens what this says
        metafunc.parametrize("dialect", _DIALECTS, indirect=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every form of a test on SQLite; on PostgreSQL the first of each, and the others with what takes long."""
    seen: set[tuple[Path, str]] = set()
    for item in items:
        if isinstance(item, pytest.Function) and getattr(item, "callspec", None) is not None:
            if item.callspec.params.get("dialect") != "postgresql":
                continue
            test = (item.path, item.originalname)
            if test in seen:
                item.add_marker("long")
            seen.add(test)


@pytest.fixture
def dialect(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Says to the rig on which database this test is."""
    if request.param == "postgresql":
        cluster: Cluster = request.getfixturevalue("shared_cluster")
        asyncio.run(cluster.empty())
        prepared.url = cluster.url
    else:
        prepared.url = file_with_tables(tmp_path / "telemetrio.db")
    yield request.param
    prepared.url = ""
