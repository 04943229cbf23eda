"""Fault 4: what a real InfluxDB refuses for good is a dead letter, and nothing else is."""

from collections.abc import Iterator

import pytest

from tests.peers.fleet import Fleet
from tests.peers.plant import DATABASE, Plant
from tests.peers.storeproxy import RESET, answering
from tests.peers.waiting import eventually

pytestmark = [pytest.mark.peer("mosquitto"), pytest.mark.peer("influxd"), pytest.mark.faults]

COUNT = 5_000
LARGEST = 8 * 1024


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    with Plant(tmp_path_factory.mktemp("plant")) as running:
        yield running


def publish_behind_an_outage(plant: Plant, fleet: Fleet, count: int) -> None:
    """So that all of it is written at once."""
    before = plant.books()["received"]
    plant.break_store(RESET)
    plant.publish(fleet, count)
    eventually(lambda: plant.books()["received"] == before + count, 30)


@pytest.mark.parametrize("every", [COUNT, COUNT // 200], ids=["one", "two hundred"])
def test_a_type_conflict_costs_only_who_has_it(plant: Plant, every: int) -> None:
    """Of 5,000 readings those that conflict with a foreign writer's type are letters; all the others are stored."""
    odd: set[int] = set()

    def payload(number: int, ts_ns: int) -> bytes:
        if number % every:
            return b'{"temperature": %d.5, "timestamp": %d}' % (number, ts_ns)
        odd.add(ts_ns)
        return b'{"temperature": %d.5, "odd": 1.5, "timestamp": %d}' % (number, ts_ns)

    fleet = plant.fleet(payload)
    # at both ends: a type belongs to a measurement in one shard, and midnight may lie between
    last_ns = fleet.first_ns + COUNT * 2_000_000
    plant.influx.write(DATABASE, f"sensor_data,device_id=foreign odd=1i {fleet.first_ns}\n")
    plant.influx.write(DATABASE, f"sensor_data,device_id=foreign odd=1i {last_ns}\n")
    before = plant.books()
    publish_behind_an_outage(plant, fleet, COUNT)
    plant.mend_store()
    plant.stored_once(fleet, but=odd)
    letters = plant.letters(fleet)
    assert len(letters) == len(odd) == COUNT // every
    assert {(kind, code, entries) for kind, code, entries, _ in letters} == {("reading", "store_refused", 1)}
    assert plant.books()["dead_lettered"] - before["dead_lettered"] == len(odd)


def test_a_line_that_is_too_large_costs_only_itself(plant: Plant) -> None:
    """A server that takes 8 KiB at once gets 500 readings in parts; the one of 30 KiB is a letter."""
    odd: set[int] = set()

    def payload(number: int, ts_ns: int) -> bytes:
        if number != 250:
            return b'{"temperature": %d.5, "timestamp": %d}' % (number, ts_ns)
        odd.add(ts_ns)
        texts = b", ".join(b'"text%d": "%s"' % (place, b"x" * 1000) for place in range(30))
        return b'{"temperature": 1.5, %s, "timestamp": %d}' % (texts, ts_ns)

    fleet = plant.fleet(payload)
    publish_behind_an_outage(plant, fleet, 500)
    begun = len(plant.proxy.requests)
    plant.break_store(answering(413, above=LARGEST))
    plant.stored_once(fleet, but=odd)
    plant.mend_store()
    assert any(write.faulty for write in plant.proxy.writes(begun))
    assert [(kind, code) for kind, code, _, _ in plant.letters(fleet)] == [("reading", "store_refused")]
