"""The messages of devices that docs/protocol.md shows are understood as it says."""

from pathlib import Path
from typing import Final

import pytest

from services.ingest.acceptor import Acceptor
from services.ingest.delivery import Delivery
from services.ingest.registry import Registry
from services.ingest.settings import IngestSettings
from shared.payloads import Window, judge
from shared.profiles import ENVIRONMENT

PAYLOADS: Final = Path(__file__).parents[1] / "payloads"
NOW_NS: Final = 1_767_226_000 * 10**9
AT_NS: Final = 1_767_225_600 * 10**9

EXPECTED: Final = {
    "device-flat": [(None, {"temperature": 23.5, "humidity": 55.0, "pressure": 1013.25})],
    "device-timestamp": [(AT_NS + 123_000_000, {"temperature": 23.5})],
    "device-values": [(AT_NS + 123_000_000, {"temperature": 23.5, "door": "open", "heating": True})],
    "device-array": [(AT_NS, {"temperature": 23.5}), (AT_NS + 60 * 10**9, {"temperature": 23.6})],
    "device-senml": [(AT_NS, {"temperature": 23.5, "humidity": 55.0})],
}


@pytest.mark.parametrize(
    "name",
    # of the others one is no telemetry, and one is what a device hears
    sorted({path.stem for path in PAYLOADS.glob("device-*.json")} - {"device-status", "device-error"}),
)
def test_an_example_is_accepted_whole_and_means_what_it_shows(name: str) -> None:
    """Times in nanoseconds and numbers as floats, nothing refused."""
    verdict = judge((PAYLOADS / f"{name}.json").read_bytes(), ENVIRONMENT, "x", NOW_NS, Window(None, NOW_NS))
    assert [(sample.ts_ns, sample.values) for sample in verdict.accepted] == EXPECTED[name]
    assert not verdict.flawed


def test_the_status_example_makes_a_device_offline() -> None:
    """An object with `status` says the same as the bare word."""
    registry = Registry("register", "environment")
    registry.replace([])
    acceptor = Acceptor(registry, IngestSettings(_env_file=None))
    payload = (PAYLOADS / "device-status.json").read_bytes()
    deliveries = [Delivery([("iot/devices/x/status", each)], NOW_NS, print) for each in (payload, b"offline")]
    (group,) = acceptor.groups(deliveries)
    assert [(status.device_id, status.status) for status in group.status] == [("x", "offline")] * 2
