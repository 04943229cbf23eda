"""The clock of ingest's host jumps an hour back, as after a mended NTP: only times of receipt may notice."""

import time
from pathlib import Path

import pytest

from services.ingest.acceptor import Acceptor
from services.ingest.delivery import Delivery
from tests.fakes.ingest import registering, settings_in
from tests.integration.subscriber_rig import published, running
from tests.peers.mosquitto import OPEN, Mosquitto
from tests.peers.waiting import eventually_async

pytestmark = pytest.mark.peer("mosquitto")

HOUR_S = 3_600


async def test_an_hour_back_stops_no_timer_and_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is kept alive and keeps delivering; a sample without a time gets that of the clock as it is."""
    with Mosquitto(tmp_path, OPEN) as mosquitto:
        async with running(mosquitto.url, keepalive_s=1) as rig:
            await published(mosquitto.port, b'{"temperature": 1}')
            before = await rig.take(1)
            now, now_ns, pings = time.time, time.time_ns, mosquitto.log.count("PINGRESP to telemetrio/ingest-1")
            monkeypatch.setattr(time, "time", lambda: now() - HOUR_S)
            monkeypatch.setattr(time, "time_ns", lambda: now_ns() - HOUR_S * 10**9)

            async def pinged() -> bool:
                return mosquitto.log.count("PINGRESP to telemetrio/ingest-1") >= pings + 4

            await eventually_async(pinged, 40)
            await published(mosquitto.port, b'{"temperature": 2}', b'{"temperature": 3}')
            after = await rig.take(2)
            assert rig.subscriber.stats().connections == 1
            assert after[0].received_ns < before[0].received_ns
            acceptor = Acceptor(registering(), settings_in(tmp_path))
            taken = [Delivery([(each.topic, each.payload)], each.received_ns, print) for each in (*before, *after)]
            groups = list(acceptor.groups(taken))
            times = [reading.ts_ns for group in groups for reading in group.readings]
            assert len(times) == 3
            assert times[0] > times[1] + (HOUR_S - 60) * 10**9
            assert times[1] < times[2]
            for delivery in (*before, *after):
                delivery.ack()
