"""One device floods: the others don't notice, and what was too much is counted."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.peers.site import Site

pytestmark = [pytest.mark.peer("mosquitto"), pytest.mark.faults]

FLOOD = 3_000
CALM = 30


def test_a_flood_of_one_device_costs_the_others_nothing(tmp_path: Path) -> None:
    """All of it is acknowledged and counted in one row; each message of the others is stored."""
    rate = {"TELEMETRIO_DEVICE_MESSAGES_PER_S": "5", "TELEMETRIO_DEVICE_BURST": "10"}
    with Site(tmp_path, TELEMETRIO_UNKNOWN_DEVICES="register", **rate) as site:
        for number in range(CALM):
            site.say("iot/devices/flood/data", *[b'{"temperature": 1}'] * (FLOOD // CALM))
            site.say(f"iot/devices/calm-{number}/data", b'{"temperature": 2}')
        site.books(received=FLOOD + CALM, spooled=0)
        stored = [row[0] for row in site.stored()]
        assert sum(device_id != "flood" for device_id in stored) == CALM
        assert stored.count("flood") >= 10
        assert site.book("dead_lettered") == FLOOD - stored.count("flood")
        assert site.book("messages") == FLOOD + CALM
    with closing(sqlite3.connect(tmp_path / "data" / "ingest.outbox")) as outbox:
        letters = outbox.execute("SELECT kind, code, device_id, entries FROM dead").fetchall()
    assert letters == [("shed", "rate_limited", "flood", FLOOD - stored.count("flood"))]
