"""The soak's own parts: a ledger that sees what it is there to see, a schedule that can be had again, a page."""

from itertools import pairwise

import pytest

from tests.soak import __main__, listener, samples, servers, speech
from tests.soak.ledger import Verdict, judge
from tests.soak.page import page
from tests.soak.report import Live, Report, quantile, rows
from tests.soak.samples import Sample
from tests.soak.schedule import FAULTS, Event, schedule

SENT = {1: 0.5, 2: 1.5, 3: 2.5}
BAD = {4: b"not json 4"}
FOUND = [(1, 0.5), (2, 1.5), (3, 2.5)]


def verdict(
    found: list[tuple[int, float]], letters: set[bytes], acknowledged: tuple[int, ...] = (1, 2, 3, 4)
) -> Verdict:
    return judge(acknowledged, SENT, BAD, found, letters)


def test_what_was_found_once_and_as_sent_is_clean() -> None:
    """Also where the store has what the device never saw acknowledged."""
    assert verdict(FOUND, {BAD[4]}).clean
    assert verdict(FOUND, set(), (1, 2)).clean


@pytest.mark.parametrize(
    ("found", "letters", "what"),
    [
        (FOUND[:2], {BAD[4]}, "lost"),
        ([*FOUND, FOUND[0]], {BAD[4]}, "doubled"),
        ([(1, 9.5), *FOUND[1:]], {BAD[4]}, "wrong"),
        ([*FOUND, (7, 1.5)], {BAD[4]}, "wrong"),
    ],
)
def test_each_kind_of_damage_is_seen(found: list[tuple[int, float]], letters: set[bytes], what: str) -> None:
    """One message that is lost, doubled, changed or made up, and the soak has failed."""
    seen = verdict(found, letters)
    assert getattr(seen, what) == 1
    assert not seen.clean


def test_a_bad_message_that_is_no_dead_letter_is_seen() -> None:
    """It was acknowledged: somebody must be able to look at it."""
    seen = verdict(FOUND, set())
    assert (seen.bad, seen.letters, seen.clean) == (1, 0, False)


def test_what_was_sent_again_is_told_from_what_was_doubled() -> None:
    """By its device; or where ingest was killed between the one and the other, or just before the one arrived."""
    one, other, kills_s = ("d", "1"), ("d", "2"), [10.0, 50.0]
    assert __main__.repeats([(one, 9.0, 12.0), (one, 10.5, 11.0), (other, 49.0, 51.0)], kills_s, set()) == 3
    assert __main__.repeats([(one, 12.0, 13.0), (one, 1.0, 9.0), (other, 20.0, 49.0)], kills_s, set()) == 0
    assert __main__.repeats([(one, 12.0, 13.0), (other, 20.0, 49.0)], kills_s, {other}) == 1


def test_the_same_seed_breaks_the_same_things() -> None:
    """One at a time, each with time to be mended, and in half an hour every kind of it."""
    plan = list(schedule(7, 1800))
    assert plan == list(schedule(7, 1800))
    assert plan != list(schedule(8, 1800))
    assert {event.fault for event in plan} == set(FAULTS)
    assert all(b.at_s > a.at_s + a.for_s for a, b in pairwise(plan))
    assert 50 < len(plan) < 150


def test_the_report_says_it_in_text_and_as_a_page() -> None:
    """A hole where a process was away is a hole in its line, and what failed is in the first sentence."""
    seen = [Sample(2.0 * n, 100 * n, 100 * n, None if n == 2 else n, {"ingest": 100.0 + n}) for n in range(5)]
    given = Report(
        7, 10.0, verdict(FOUND[:2], {BAD[4]}), Live(3, 0, 0, 0, 1, 2), [Event(2, "<b>", 1)], seen, [0.1], [], 0.5, 0
    )
    assert ("lost", "1") in {(what, figure) for what, figure, _ in rows(given)}
    shown = page(given)
    assert "Not clean" in shown
    assert "&lt;b&gt;" in shown
    assert shown.count("<svg") == 3
    assert quantile([1.0, 2.0, 3.0], 0.99) == 3.0


def test_every_fault_of_the_schedule_can_be_done() -> None:
    """A name that nobody can break would end a soak in its middle."""
    assert set(FAULTS) == set(servers.KNOWN)
    assert {__main__, listener, samples, speech}
