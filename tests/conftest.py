"""What every test may ask for."""

from collections.abc import Iterator
from pathlib import Path
from zlib import crc32

import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests.peers.system import System

pytest_plugins = ["tests.peers.plugin"]

# how fast the machine is says nothing about what is tested
settings.register_profile("patient", settings.default, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Where several run at a time, files of all kinds are mixed: those that wait, beside those that compute."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: crc32(item.path.name.encode()))  # each worker must have the same order


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """What a test made of the logs is its own."""
    yield
    structlog.reset_defaults()


@pytest.fixture
def system(tmp_path: Path) -> Iterator[System]:
    """A running `telemetrio up` of this test's own, stopped by its pid afterwards."""
    running = System(tmp_path / "data")
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def shared_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One `telemetrio up` for a whole file of tests that keep out of each other's way by device names."""
    running = System(tmp_path_factory.mktemp("shared") / "data")
    running.start()
    yield running
    running.stop()
