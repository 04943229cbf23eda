"""The page of metrics: who may read it, and figures that are read at that moment."""

from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from shared.health import Health
from shared.metrics import Figure, Figures, Metrics, MetricsPage, watch_health
from tests.fakes.metrics import asked, scraped


async def nothing() -> None:
    """Nothing has to be read first."""


async def test_figures_are_read_when_somebody_asks() -> None:
    """Not when they are put together; with a label or without, and left out where there is nothing to tell."""
    seen = {"a": 1.0}
    reads: list[str] = []

    def read() -> dict[str, float]:
        reads.append("read")
        return dict(seen)

    registry = CollectorRegistry()
    Figures(
        registry,
        [
            Figure("telemetrio_x", "Words.", "counter", read, "kind"),
            Figure("telemetrio_y_bytes", "More.", "gauge", lambda: 7),
            Figure("telemetrio_z", "None yet.", "gauge", dict),
        ],
    )
    assert reads == []
    seen["b"] = 2.0
    assert await scraped(Metrics(registry, nothing)) == {
        ("telemetrio_x_total", (("kind", "a"),)): 1.0,
        ("telemetrio_x_total", (("kind", "b"),)): 2.0,
        ("telemetrio_y_bytes", ()): 7.0,
    }


async def test_two_of_one_name_are_refused() -> None:
    """A slip that Prometheus would take for one metric."""
    registry = CollectorRegistry()
    Figures(registry, [Figure("telemetrio_x", "Words.", "gauge", lambda: 1)])
    with pytest.raises(ValueError, match="telemetrio_x"):
        Figures(registry, [Figure("telemetrio_x", "Words.", "gauge", lambda: 2)])


async def test_health_is_told_by_name() -> None:
    """1 while it is ok; anything else is a reason to look."""
    health, registry = Health(), CollectorRegistry()
    watch_health(registry, health)
    health.report("store", "down", needed=False)
    health.report("outbox", "ok")
    health.report("outbox_file", "degraded", needed=False)
    assert await scraped(Metrics(registry, nothing)) == {
        ("telemetrio_dependency_up", (("name", "outbox"),)): 1.0,
        ("telemetrio_dependency_up", (("name", "outbox_file"),)): 0.0,
        ("telemetrio_dependency_up", (("name", "store"),)): 0.0,
        ("telemetrio_ready", ()): 1.0,
    }
    health.report("outbox", "down")
    assert (await scraped(Metrics(registry, nothing)))["telemetrio_ready", ()] == 0.0


@pytest.mark.parametrize(
    ("scope", "status"),
    [
        ({}, 200),
        ({"client": ("::1", 1)}, 200),
        ({"client": ("192.0.2.7", 1)}, 403),
        ({"client": None}, 403),
        ({"headers": [(b"X-Forwarded-For", b"192.0.2.7")]}, 403),
        ({"headers": [(b"forwarded", b"for=192.0.2.7")]}, 403),
        ({"method": "POST"}, 405),
    ],
)
async def test_beside_the_dashboard_only_loopback_may_ask(scope: dict[str, Any], status: int) -> None:
    """And nobody through a proxy on the same machine: whoever stands behind it is not here."""
    page = MetricsPage(Metrics(CollectorRegistry(), nothing), loopback=True)
    answered, body = await asked(page, **scope)
    assert answered == status
    assert status == 200 or '"code"' in body


async def test_a_health_port_tells_everybody_who_reaches_it() -> None:
    """Which address that port has is the operator's choice."""
    page = MetricsPage(Metrics(CollectorRegistry(), nothing))
    assert (await asked(page, client=("192.0.2.7", 1)))[0] == 200
