"""Fault 2 at full length: the store is away while 2,000 messages a second come through a stock Mosquitto."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.peers.mosquitto import OPEN
from tests.peers.plant import Plant
from tests.peers.storeproxy import RESET, Request
from tests.peers.waiting import eventually

pytestmark = [pytest.mark.peer("mosquitto"), pytest.mark.peer("influxd"), pytest.mark.faults]

RATE = 2_000
# the wait doubles to 30 s, half of it on average, and the client asks twice where its connection is cut
MAX_TRIES = 40
SECONDS_PER_TRY = 3
MAX_MIB = 200
# several writes are under way at once, and come to the proxy on connections of their own
OUT_OF_ORDER = 8


@pytest.fixture
def stock(tmp_path: Path) -> Iterator[Plant]:
    """Mosquitto with no limit lifted: 1,000 messages wait for a client at most, what is more is thrown away."""
    with Plant(tmp_path, OPEN) as running:
        yield running


def test_an_outage_under_load_costs_nothing(stock: Plant, *, faults_long: bool) -> None:
    """Every acknowledged message is stored once, memory stays flat, tries are few, the backlog goes oldest first."""
    seconds_away = 300 if faults_long else 10
    count = RATE * seconds_away
    fleet = stock.fleet()
    stock.break_store(RESET)
    stock.publish(fleet, count, RATE)
    eventually(lambda: stock.books()["received"] == count, 30)
    assert stock.worker.dependency("store") == "down"
    tries = len(stock.proxy.requests)
    assert 1 < tries < MAX_TRIES + seconds_away / SECONDS_PER_TRY
    stock.mend_store()
    eventually(lambda: stock.proxy.writes(tries), 60)
    begun = time.monotonic()
    stock.stored_once(fleet, within_s=180)
    seconds = time.monotonic() - begun
    print(f"drained at {count / seconds / RATE:.1f} times the arrival rate; {stock.worker.peak_mib} MiB; {tries} tries")  # noqa: T201
    assert stock.worker.peak_mib < MAX_MIB
    assert_oldest_first(stock.proxy.writes(tries))


def assert_oldest_first(writes: list[Request]) -> None:
    """In the order of their first readings, and none twice: that is no burst of retries."""
    begins = [write.first_ns for write in writes]
    assert len(begins) == len(set(begins))
    places = [sorted(begins).index(begin) for begin in begins]
    assert all(abs(place - at) <= OUT_OF_ORDER for at, place in enumerate(places))


def test_another_order_would_be_seen() -> None:
    """Neighbours may change places on their way; newest first, or one batch twice, is found."""
    writes = [Request(0.0, "/write", 5_000, first_ns) for first_ns in range(40)]
    assert_oldest_first([*writes[1::-1], *writes[2:]])
    for wrong in (writes[::-1], [*writes, writes[0]], [*writes[1:], writes[0]]):
        with pytest.raises(AssertionError):
            assert_oldest_first(wrong)
