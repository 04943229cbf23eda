"""How long the newest readings took."""

from services.ingest.latency import Latency


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


def test_the_middle_and_the_worst_of_each_stage_are_told() -> None:
    """In milliseconds; a stage without a sample is not there."""
    latency = Latency(Clock())
    for number in range(100):
        latency.note("commit", number / 1_000)
    assert latency.told() == {"commit": {"p50_ms": 50.0, "p99_ms": 99.0, "n": 100}}


def test_what_is_older_than_a_minute_says_nothing_any_more() -> None:
    """Nor does a device's clock that is ahead make a stage take less than no time."""
    clock = Clock()
    latency = Latency(clock)
    latency.note("device", 9.0)
    clock.now += 61
    latency.note("device", -3.0)
    assert latency.told() == {"device": {"p50_ms": 0.0, "p99_ms": 0.0, "n": 1}}
    clock.now += 61
    assert latency.told() == {}


def test_a_busy_minute_costs_a_bounded_memory() -> None:
    """The newest five hundred samples stand for it."""
    latency = Latency(Clock())
    for number in range(2_000):
        latency.note("store", float(number))
    assert latency.told()["store"]["n"] == 500
    assert latency.told()["store"]["p50_ms"] == 1_750_000.0
