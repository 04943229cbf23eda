"""Device topics that begin otherwise, where the settings say so."""

from pathlib import Path

import pytest

from tests.peers.site import Site
from tests.peers.system import System
from tests.peers.waiting import eventually

PREFIX = "plant/7"


def test_up_takes_devices_under_another_prefix(tmp_path: Path) -> None:
    """They are seen, and what is published under the usual prefix is no telemetry."""
    system = System(tmp_path / "data", TELEMETRIO_DEVICE_PREFIX=PREFIX)
    system.start()
    try:
        system.publish("iot/devices/nobody/data", b'{"temperature": 1}')
        system.publish(f"{PREFIX}/d1/data", b'{"temperature": 23.5}')
        eventually(lambda: system.eventually_device("d1")["temperature"] == 23.5)
        assert system.device("nobody") is None
    finally:
        system.stop()


@pytest.mark.peer("mosquitto")
def test_a_worker_subscribes_to_the_prefix_of_its_settings(tmp_path: Path) -> None:
    """And to no other; the keepalive is the settings' word as well."""
    given = {"TELEMETRIO_UNKNOWN_DEVICES": "register", "TELEMETRIO_MQTT_KEEPALIVE_S": "5"}
    with Site(tmp_path, TELEMETRIO_DEVICE_PREFIX=PREFIX, **given) as site:
        site.say("iot/devices/nobody/data", b'{"temperature": 1}')
        site.say(f"{PREFIX}/d1/data", b'{"temperature": 1}')
        site.books(stored=1, ignored=0)
        assert [row[0] for row in site.stored()] == ["d1"]
        assert "as telemetrio/ingest (p5, c0, k5)" in site.broker.log  # the keepalive that Mosquitto was asked for
