"""Fault 1: `telemetrio ingest` is killed at any moment of a message's way; every acknowledged one is stored once."""

import random
from collections.abc import Iterator

import pytest

from tests.peers.plant import Plant
from tests.peers.storeproxy import ANSWER_HELD, ANSWER_LOST, BLACK_HOLE, PASS, RESET, Fault
from tests.peers.waiting import eventually

pytestmark = [pytest.mark.peer("mosquitto"), pytest.mark.peer("influxd"), pytest.mark.faults]

FAULTS = (PASS, PASS, ANSWER_HELD, ANSWER_LOST, RESET, Fault(delay_s=0.2))
RATE = 1_000


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    with Plant(tmp_path_factory.mktemp("plant")) as running:
        yield running


def start_again(plant: Plant) -> None:
    plant.mend_store()
    plant.worker.start()


def test_kills_at_random_moments_lose_and_double_nothing(plant: Plant, *, faults_long: bool) -> None:
    """Under 1,000 messages a second, with the store in and out of order: before, in and after each step."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 - to play a failure again
    moments = random.Random(seed)
    fleet = plant.fleet()
    for _ in range(100 if faults_long else 3):
        plant.break_store(moments.choice(FAULTS))
        sending = plant.publishing(fleet, RATE, RATE)
        received = plant.books()["received"]
        # by its own progress and not by the clock: a slow machine is killed as busily as a quick one
        goal = received + moments.randrange(1, RATE // 2)
        eventually(lambda goal=goal: plant.books()["received"] >= goal, 30)  # type: ignore[misc]
        plant.worker.kill()
        start_again(plant)
        sending.result(60)
    plant.stored_once(fleet)


@pytest.mark.parametrize(
    ("fault", "written"),
    [
        pytest.param(BLACK_HOLE._replace(only="write"), False, id="before the write"),
        pytest.param(ANSWER_HELD, True, id="before the delete"),
    ],
)
def test_a_kill_while_a_write_is_under_way(plant: Plant, *, fault: Fault, written: bool) -> None:
    """What the store was sent, and perhaps has, is sent again; what it never got isn't forgotten."""
    fleet = plant.fleet()
    before = plant.books()["received"]
    plant.break_store(RESET)
    plant.publish(fleet, 500)
    eventually(lambda: plant.books()["received"] >= before + 500, 20)
    plant.break_store(fault)
    eventually(lambda: plant.proxy.held and bool(plant.count(fleet)) == written, 30)
    assert plant.books()["spooled"] == 500
    plant.worker.kill()
    start_again(plant)
    plant.stored_once(fleet)
