"""The stores that the suites of this folder run on."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from shared.timeseries.store import TimeSeriesStore
from tests.contracts.backends import Open, fake_influxdb, opened, real_buckets, real_influxdb, sqlite
from tests.peers.influxdb import Influxd


@pytest.fixture(scope="session")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    server = Influxd(tmp_path_factory.mktemp("influxd"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(
    scope="module",
    params=[
        "sqlite",
        pytest.param("influxdb", marks=pytest.mark.peer("influxd")),
        pytest.param("influxdb, a bucket per user", marks=pytest.mark.peer("influxd")),
        "2.7.12",
        "3.0.1",
    ],
)
def backend(request: pytest.FixtureRequest) -> Open:
    match request.param:
        case "sqlite":
            return sqlite
        case "influxdb":
            return real_influxdb(request.getfixturevalue("influxd"))
        case "influxdb, a bucket per user":
            return real_buckets(request.getfixturevalue("influxd"))
        case version:
            return fake_influxdb(version)


@pytest.fixture
async def store(backend: Open, tmp_path: Path) -> AsyncIterator[TimeSeriesStore]:
    async with opened(backend, tmp_path) as ready:
        yield ready
