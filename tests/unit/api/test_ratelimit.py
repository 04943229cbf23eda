"""Token buckets by a clock of the test's own, and addresses as proxies tell them."""

import pytest

from services.api.addresses import client_address, neighbourhood
from services.api.ratelimit import RateLimit, Recent, Slowdown


def test_a_burst_then_the_rate() -> None:
    """Three at once, then one every half second; how long to wait is told, and asking too early costs nothing."""
    limit = RateLimit(2, 3)
    assert [limit.take("a", 10.0) for _ in range(3)] == [0, 0, 0]
    for _ in range(5):
        assert limit.take("a", 10.0) == pytest.approx(0.5)
    assert limit.take("a", 10.5) == 0
    assert limit.take("a", 10.6) == pytest.approx(0.4)
    assert [limit.take("a", 99.0) for _ in range(4)] == [0, 0, 0, pytest.approx(0.5)]


def test_one_never_costs_another() -> None:
    """Each key has a bucket of its own."""
    limit = RateLimit(1, 1)
    assert limit.take("a", 0.0) == 0
    assert limit.take("a", 0.0) > 0
    assert limit.take("b", 0.0) == 0


def test_what_is_given_back_was_never_taken() -> None:
    """Of a key that nobody knows there is nothing to give back."""
    limit = RateLimit(1, 1)
    for _ in range(5):
        assert limit.take("a", 0.0) == 0
        limit.give_back("a")
    limit.give_back("b")
    assert len(limit) == 1


def test_who_was_here_of_late() -> None:
    """For some seconds from the last time on; those quiet for longest make room."""
    recent = Recent(10.0, most=2)
    for key, now_s in (("a", 0.0), ("b", 1.0), ("a", 2.0), ("c", 3.0)):
        recent.add(key, now_s)
    assert [recent.has(key, 4.0) for key in "abc"] == [True, False, True]
    assert [recent.has(key, 12.5) for key in "abc"] == [False, False, True]
    recent.forget("c")
    recent.forget("z")
    assert not recent.has("c", 4.0)


def test_what_is_remembered_is_bounded() -> None:
    """Those who are quiet go first, then those who were quiet longest; who has just spoken is known."""
    limit = RateLimit(1, 1, most=100)
    for number in range(1_000):
        limit.take(number, 0.0)
    assert len(limit) <= 100
    assert limit.take(999, 0.0) > 0
    assert limit.take("later", 5.0) == 0


@pytest.mark.parametrize(
    ("peer", "forwarded", "hops", "expected"),
    [
        ("192.0.2.1", [], 0, "192.0.2.1"),
        ("192.0.2.1", ["6.6.6.6"], 0, "192.0.2.1"),
        ("127.0.0.1", ["6.6.6.6, 192.0.2.7"], 1, "192.0.2.7"),
        ("127.0.0.1", ["6.6.6.6", "192.0.2.7, 10.0.0.1"], 2, "192.0.2.7"),
        ("192.0.2.1", ["192.0.2.7"], 2, "192.0.2.1"),
        ("127.0.0.1", ["192.0.2.7:4711"], 1, "192.0.2.7"),
        ("127.0.0.1", ["[2001:db8::1]:4711"], 1, "2001:db8::1"),
        ("::ffff:192.0.2.1", [], 0, "192.0.2.1"),
        ("fe80::1%eth0", [], 0, "fe80::1"),
        ("127.0.0.1", ["unknown" + "x" * 99], 1, "unknown" + "x" * 57),
        ("", [], 0, ""),
    ],
)
def test_where_a_request_came_from(peer: str, forwarded: list[str], hops: int, expected: str) -> None:
    """What the outermost of our own proxies saw; what a client says of itself counts for nothing."""
    assert client_address(peer, forwarded, hops) == expected


def test_an_ipv6_network_is_one_neighbour() -> None:
    """A customer has 2⁶⁴ addresses of it; IPv4 addresses stand for themselves."""
    assert neighbourhood("2001:db8::1") == neighbourhood("2001:db8::ffff:1") != neighbourhood("2001:db8:0:1::1")
    assert neighbourhood("192.0.2.1") == "192.0.2.1"
    assert neighbourhood("<local>") == "<local>"


def test_a_slowdown_doubles_and_ends() -> None:
    """Nothing for the first few, then twice as long each time up to the most; quiet brings it back, and right ones."""
    slow = Slowdown(1, 2, most_s=1.0)
    assert [slow.take("a", 0.0) for _ in range(7)] == [0, 0, 0.25, 0.5, 1, 1, 1]
    assert slow.take("b", 0.0) == 0
    assert slow.take("a", 2.0) == 0.5
    slow.give_back("a")
    assert slow.take("a", 2.0) == 0.5
    assert slow.take("a", 60.0) == 0
