"""The rate of a device: never more than was allowed, never less than was promised, whatever the clock does."""

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingest.ratelimit import RateLimit
from tests.fakes.ingest import NOW, settings_in

S = 10**9
rates = st.sampled_from([0.1, 1.0, 3.0, 10.0, 1000.0])
bursts = st.integers(1, 20)
pauses = st.lists(st.integers(0, 3 * S) | st.integers(0, 10_000_000), min_size=1, max_size=80)


@given(rates, bursts, pauses)
def test_it_never_admits_more_than_burst_and_rate(per_s: float, burst: int, gaps: Sequence[int]) -> None:
    """In every stretch of time, of whatever length, that begins with an admitted message."""
    limit = RateLimit(per_s, burst)
    admitted = [now_ns for now_ns in accumulate(gaps, initial=NOW) if limit.admits("d", now_ns)]
    interval_ns = round(1e9 / per_s)
    for first in range(len(admitted)):
        for last in range(first, len(admitted)):
            assert last - first + 1 <= burst + (admitted[last] - admitted[first]) // interval_ns


@given(rates, bursts, st.integers(1, 50))
def test_who_keeps_to_the_rate_is_never_refused(per_s: float, burst: int, count: int) -> None:
    """After any burst that was allowed, one message each interval for ever."""
    limit = RateLimit(per_s, burst)
    assert all(limit.admits("d", NOW) for _ in range(burst))
    assert not limit.admits("d", NOW)
    interval_ns = round(1e9 / per_s)
    assert all(limit.admits("d", NOW + number * interval_ns) for number in range(1, count + 1))


@given(rates, bursts, st.integers(-(10**18), 10**18))
def test_a_clock_that_jumps_owes_nobody_more_than_a_full_bucket(per_s: float, burst: int, jump_ns: int) -> None:
    """Whichever way and however far: after the time that fills a bucket, a message is taken."""
    limit = RateLimit(per_s, burst)
    for _ in range(burst + 5):
        limit.admits("d", NOW)
    now_ns = NOW + jump_ns
    assert limit.admits("d", now_ns) or limit.admits("d", now_ns + burst * round(1e9 / per_s))


def test_devices_do_not_share_a_bucket() -> None:
    """One that floods takes nothing from the others."""
    limit = RateLimit(1, 1)
    assert [limit.admits("flood", NOW) for _ in range(1_000)].count(True) == 1
    assert limit.admits("calm", NOW)


def test_only_who_has_just_spoken_is_remembered() -> None:
    """A million devices that said a word an hour ago cost nothing."""
    limit = RateLimit(1, 2)
    for number in range(100_000):
        assert limit.admits(f"d{number}", NOW + number * S)
        assert len(limit) <= 1_025
    for number in range(5_000):
        assert limit.admits(f"e{number}", NOW + 10**6 * S)
    assert len(limit) >= 5_000


@pytest.mark.parametrize(("per_s", "burst", "told"), [(None, None, 2), (5, None, 10), (0.2, None, 1), (5, 3, 3)])
def test_a_burst_is_twice_the_rate_unless_it_is_set(per_s: float | None, burst: int | None, told: int) -> None:
    """And one message at least."""
    settings = settings_in(Path(), device_messages_per_s=per_s, device_burst=burst)
    assert settings.burst == told
