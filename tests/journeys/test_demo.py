"""`telemetrio up --demo` in the hands of somebody who tries what there is."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.system import System
from tests.peers.waiting import eventually


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[System]:
    running = System(tmp_path / "data", "--demo")
    running.start()
    yield running
    running.stop()


def test_a_credential_for_a_device_of_the_demo_costs_no_other(demo: System) -> None:
    """It has no password to show and falls silent; the server goes on, and so do the other devices."""
    demo.eventually_device("demo-roof", 15)
    assert demo.request("POST", "/api/v1/devices/demo-roof/credentials", {"name": "mine"})[0] == 201
    eventually(lambda: "demo_device_shut_out" in demo.log, 30)
    before = demo.eventually_device("demo-cellar")["last_seen"]
    eventually(lambda: demo.eventually_device("demo-cellar")["last_seen"] > before, 15)
