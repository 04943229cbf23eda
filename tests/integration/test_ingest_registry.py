"""A change of the registry reaches a running `telemetrio ingest` through a real broker."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.topics import registry_topic
from tests.peers.site import Site

pytestmark = pytest.mark.peer("mosquitto")

USER = "INSERT INTO users (name, created_ns) VALUES ('ann', 0)"
DEVICE = (
    "INSERT INTO devices (device_id, name, user_id, profile, disabled, created_ns) "
    "VALUES ('d1', 'd1', 1, 'environment', 0, 0)"
)
DATA = "iot/devices/d1/data"
SAMPLE = b'{"temperature": 1}'


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path) as running:
        running.change(USER, DEVICE)
        running.say(registry_topic())
        yield running


def test_a_device_that_is_disabled_is_refused_at_once(site: Site) -> None:
    """A notice is enough: within 2 s its messages are dead letters, long before the registry would be read again."""
    site.says_until(DATA, SAMPLE, "stored")
    site.change("UPDATE devices SET disabled = 1")
    site.say(registry_topic())
    site.says_until(DATA, SAMPLE, "dead_lettered", above=site.book("dead_lettered"), within_s=2)
    assert site.book("ignored") == 0
