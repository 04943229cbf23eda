"""Faults 7, 8 and 10: the broker stops, dies, forgets or falls silent, and workers come and go."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.mosquitto import OPEN
from tests.peers.plant import QUEUE, Plant
from tests.peers.proxy import Proxy
from tests.peers.waiting import eventually
from tests.peers.worker import Worker

pytestmark = [pytest.mark.peer("mosquitto"), pytest.mark.peer("influxd"), pytest.mark.faults]

KEEPALIVE_S = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plant")


@pytest.fixture(scope="module")
def plant(folder: Path) -> Iterator[Plant]:
    with Plant(folder, OPEN + QUEUE, persistent=True) as running:
        yield running


def gone(plant: Plant) -> None:
    eventually(lambda: plant.worker.dependency("broker") == "down", 20)
    assert not plant.worker.get("/readyz")["ready"]


def connects(line: str) -> bool:
    return "New client connected" in line and " as telemetrio/ingest " in line


def connections(log: str) -> int:
    return sum(connects(line) for line in log.splitlines())


def strange_acknowledgements(log: str) -> list[str]:
    """PUBACKs of ingest, as Mosquitto saw them, for packet ids that it had not sent on that connection."""
    strange: list[str] = []
    sent: set[str] = set()
    for line in log.splitlines():
        if connects(line):
            sent = set()
        elif found := re.search(r"Sending PUBLISH to telemetrio/ingest \(d\d, q1, r\d, m(\d+)", line):
            sent.add(found[1])
        elif (found := re.search(r"Received PUBACK from telemetrio/ingest \(Mid: (\d+)", line)) and found[
            1
        ] not in sent:
            strange.append(line)
    return strange


def test_an_old_acknowledgement_would_be_seen() -> None:
    """The log of a broker that got one on a new connection is told from one that did not."""
    connected = "New client connected from 127.0.0.1:1 as telemetrio/ingest (p5, c0, k30).\n"
    sent, told = (
        "Sending PUBLISH to telemetrio/ingest (d0, q1, r0, m7, 't', …\n",
        "Received PUBACK from telemetrio/ingest (Mid: 7, RC:0)\n",
    )
    assert strange_acknowledgements(connected + sent + told) == []
    assert strange_acknowledgements(connected + sent + connected + told) == [told.strip()]


def test_a_broker_killed_while_it_delivers(plant: Plant) -> None:
    """Kill -9: ingest comes back by itself, acknowledges nothing old, and stores all that it ever acknowledged."""
    fleet = plant.fleet()
    before = plant.books()["received"]
    sending = plant.publishing(fleet, 600, 600)
    eventually(lambda: plant.books()["received"] > before + 100, 30)
    plant.broker.kill()
    gone(plant)
    plant.broker.start()
    plant.ready()
    sending.result(60)
    after = plant.fleet()
    plant.publish(after, 10)
    plant.stored_once(after)
    # of what it took in its last moment before the kill the broker may know nothing: that is not ours to promise
    found = plant.times(fleet)
    assert len(found) == len(set(found))
    assert set(found) <= fleet.acknowledged
    assert plant.books()["stored"] == plant.books()["received"]
    assert connections(plant.broker.log) >= 2
    assert strange_acknowledgements(plant.broker.log) == []


def test_a_broker_killed_with_messages_for_ingest(plant: Plant, folder: Path) -> None:
    """What it had written down for a worker that was away arrives after its kill -9, all of it."""
    fleet = plant.fleet()
    plant.worker.stop()
    plant.publish(fleet, 200)
    last = b"%d" % max(fleet.acknowledged)
    eventually(lambda: last in (folder / "mosquitto.db").read_bytes(), 20)
    plant.broker.kill()
    plant.broker.start()
    plant.worker.start()
    plant.ready()
    plant.stored_once(fleet)


def test_a_broker_that_lost_the_session(plant: Plant, folder: Path) -> None:
    """It comes back knowing nothing: ingest subscribes anew, says what was lost, and keeps what it had."""
    fleet = plant.fleet()
    before = plant.books()["received"]
    plant.publish(fleet, 200)
    eventually(lambda: plant.books()["received"] == before + 200, 20)
    plant.broker.stop()
    gone(plant)
    (folder / "mosquitto.db").unlink()
    plant.broker.start()
    plant.ready()
    assert "session_lost" in plant.worker.log
    plant.publish(fleet, 100)
    plant.stored_once(fleet)


@pytest.mark.long
def test_a_worker_joins_and_another_retires(plant: Plant) -> None:
    """Under load one takes over from the other and is killed itself: what both stored is there once."""
    fleet = plant.fleet()
    first, second = plant.worker, plant.another("second")
    second.start()
    joined(second)
    sending = plant.publishing(fleet, 1_500, 500)
    eventually(lambda: plant.count(fleet), 20)
    assert first.stop() == 0
    first.launch("--retire")
    assert first.wait(60) == 0
    second.kill()
    second.start()
    joined(second)
    sending.result(60)
    plant.worker = second
    plant.stored_once(fleet)


def joined(worker: Worker) -> None:
    eventually(lambda: worker.dependency("broker") == "ok", 40)


def test_a_half_open_line_is_noticed(plant: Plant) -> None:
    """The network swallows everything both ways: noticed within 1.5 keepalives, and all is stored after it heals."""
    line = Proxy(plant.broker.port)
    plant.background.run(line.__aenter__())
    worker = plant.another("far", TELEMETRIO_MQTT_URL=line.url, TELEMETRIO_MQTT_KEEPALIVE_S=str(KEEPALIVE_S))
    worker.start()
    joined(worker)
    line.swallow()
    fleet = plant.fleet()
    plant.publish(fleet, 100)
    eventually(lambda: worker.dependency("broker") == "down", KEEPALIVE_S * 1.5 + 2)
    line.forward()
    joined(worker)
    eventually(lambda: worker.get("/books")["received"] == 100, 20)
    assert worker.stop() == 0
    plant.stored_once(fleet)
    plant.background.run(line.__aexit__())
