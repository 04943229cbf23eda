"""The board of dependencies: what readiness is made of, and what is logged."""

import pytest
from structlog.testing import capture_logs

from shared.health import Health, State


def test_only_a_needed_dependency_that_is_down_fails_readiness() -> None:
    """Degraded is still ready; so is an outage of something that the process can do without."""
    health = Health()
    ready = [health.ready]
    told: list[tuple[str, State, bool]] = [
        ("outbox", "degraded", True),
        ("store", "down", False),
        ("outbox", "down", True),
        ("outbox", "ok", True),
    ]
    for name, state, needed in told:
        health.report(name, state, needed=needed)
        ready.append(health.ready)
    assert ready == [True, True, True, False, True]


def test_a_state_keeps_the_moment_since_when(monkeypatch: pytest.MonkeyPatch) -> None:
    """Told again it only renews its words; another state is another moment."""
    clock = iter(range(100, 200))
    monkeypatch.setattr("shared.health.time.time_ns", lambda: next(clock))
    health = Health()
    health.report("store", "down", "first")
    health.report("store", "down", "second")
    assert health["store"][:3] == ("down", 100, "second")
    health.report("store", "ok")
    assert health["store"][:3] == ("ok", 101, "")
    seen = health.snapshot()
    health.report("store", "down")
    assert seen["store"].state == "ok"


def test_only_changes_are_logged() -> None:
    """A store that is down for an hour is two lines: an error, and the good news."""
    health = Health()
    with capture_logs() as lines:
        health.report("store", "ok")
        for _ in range(10):
            health.report("store", "down", "refused")
        health.report("store", "ok")
    assert [(line["log_level"], line["state"]) for line in lines] == [("error", "down"), ("info", "ok")]


def test_another_reason_is_logged_while_it_is_down() -> None:
    """An outage that turns into a wrong password is another thing to mend; what an `ok` says beside is not logged."""
    health = Health()
    with capture_logs() as lines:
        for detail in ("refused", "refused", "wrong password", "wrong password"):
            health.report("store", "down", detail)
        for detail in ("", "slow today"):
            health.report("store", "ok", detail)
    assert [line["detail"] for line in lines] == ["refused", "wrong password", ""]
