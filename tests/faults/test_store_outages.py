"""Faults 2, 3, 5 and 6: whatever the store, or the network before it, does for a while, nothing is lost or doubled."""

import time
from collections.abc import Iterator
from email.utils import formatdate

import pytest

from tests.peers.plant import Plant
from tests.peers.storeproxy import ANSWER_LOST, BLACK_HOLE, RESET, Fault, Request, answering
from tests.peers.waiting import eventually

pytestmark = [pytest.mark.peer("mosquitto"), pytest.mark.peer("influxd"), pytest.mark.faults]

WAL_FULL = answering(400, b'{"error":"write failed","data":[]}')


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    with Plant(tmp_path_factory.mktemp("plant")) as running:
        yield running


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        pytest.param(RESET, "can't be reached", id="reset", marks=pytest.mark.long),
        pytest.param(ANSWER_LOST, "can't be reached", id="stored, but the answer is lost"),
        pytest.param(answering(500), "500", id="500"),
        pytest.param(answering(503), "503", id="503", marks=pytest.mark.long),
        pytest.param(
            answering(200, b"<html>welcome</html>"), "200", id="a page of something else", marks=pytest.mark.long
        ),
        pytest.param(WAL_FULL, "probe", id="400 for everything"),
        pytest.param(answering(401, b'{"error":"authorization failed"}'), "authorization failed", id="401"),
        pytest.param(answering(403), "403", id="403", marks=pytest.mark.long),
        pytest.param(
            answering(404, b'{"error":"database not found"}'), "database not found", id="404", marks=pytest.mark.long
        ),
    ],
)
def test_an_outage_is_waited_for(plant: Plant, fault: Fault, word: str) -> None:
    """Messages are still taken, the health page names the reason, no dead letter; mended, all is stored once."""
    fleet = plant.fleet()
    plant.publish(fleet, 100)
    plant.stored_once(fleet)
    before = plant.books()
    plant.break_store(fault)
    plant.publish(fleet, 300)
    told = eventually(lambda: down(plant), 20)
    assert word in told
    eventually(lambda: plant.books()["received"] == before["received"] + 300, 20)
    assert plant.books()["spooled"] == 300
    assert plant.worker.get("/readyz")["ready"]
    plant.mend_store()
    plant.stored_once(fleet)
    assert plant.worker.dependency("store") == "ok"
    assert plant.books()["dead_lettered"] == before["dead_lettered"]


def down(plant: Plant) -> str:
    """Why the store is down, once it is."""
    store = plant.worker.get("/readyz")["dependencies"].get("store")
    return str(store["detail"]) if store and store["state"] == "down" else ""


@pytest.mark.long
def test_a_slow_store_is_waited_for(plant: Plant) -> None:
    """Each write takes a second: what comes meanwhile is kept, and goes in fewer and larger writes."""
    fleet = plant.fleet()
    begun = len(plant.proxy.requests)
    plant.break_store(Fault(delay_s=1.0))
    plant.publish(fleet, 2_000, 1_000)
    plant.mend_store()
    plant.stored_once(fleet)
    assert len(plant.proxy.writes(begun)) < 30


def test_a_black_hole_costs_nothing(plant: Plant, *, faults_long: bool) -> None:
    """The store reads and never answers: all is kept; it is noticed where it lasts."""
    fleet = plant.fleet()
    plant.break_store(BLACK_HOLE)
    plant.publish(fleet, 500)
    eventually(lambda: plant.proxy.held, 20)
    if faults_long:
        assert "did not answer" in eventually(lambda: down(plant), 60)
    assert plant.count(fleet) == 0
    plant.mend_store()
    plant.stored_once(fleet)


def busy(plant: Plant, retry_after: str) -> tuple[Request, Request]:
    """A write that was answered 429 while messages go on, and the request after it."""
    fleet = plant.fleet()
    plant.publish(fleet, 10)
    plant.stored_once(fleet)  # until a first write the worker asks what kind of server it is
    begun = len(plant.proxy.requests)
    plant.break_store(answering(429, headers={"Retry-After": retry_after}))
    plant.publish(fleet, 1)
    eventually(lambda: plant.proxy.writes(begun), 60)
    plant.mend_store()
    refused = plant.proxy.writes(begun)[0]
    at = plant.proxy.requests.index(refused) + 1
    plant.publish(fleet, 50)
    eventually(lambda: len(plant.proxy.requests) > at, 400)
    plant.stored_once(fleet)
    return refused, plant.proxy.requests[at]


def test_a_busy_store_is_left_alone_for_as_long_as_it_says(plant: Plant) -> None:
    """429 with `Retry-After: 7`: whatever else arrives meanwhile, no request of any kind goes out earlier."""
    refused, after = busy(plant, "7")
    assert after.at_s - refused.at_s >= 7


@pytest.mark.long
def test_a_busy_store_may_name_a_date(plant: Plant) -> None:
    """429 with an HTTP date: no request before it."""
    until = int(time.time()) + 4
    _, after = busy(plant, formatdate(until, usegmt=True))
    assert time.time() - (time.monotonic() - after.at_s) >= until - 0.01


def test_a_busy_store_that_says_nonsense_is_tried_again(plant: Plant) -> None:
    """429 with garbage for Retry-After is an outage like any other."""
    busy(plant, "soon, or \N{MULTIPLICATION SIGN}".encode().decode("latin-1"))


@pytest.mark.long
def test_nobody_is_told_to_wait_for_ever(plant: Plant) -> None:
    """429 with `Retry-After: 1000000000`: five minutes are waited for, and not more."""
    refused, after = busy(plant, "1000000000")
    assert 299 <= after.at_s - refused.at_s <= 330
