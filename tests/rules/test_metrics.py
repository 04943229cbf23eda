"""What is measured is written down."""

from pathlib import Path

from prometheus_client import CollectorRegistry

from services.api.metrics import Requests, measured, watch_pool
from services.ingest.delivery import Intake
from services.ingest.live import LiveAnnouncer
from services.ingest.metrics import Instruments, MeasuredOutbox, watch_broker, watch_intake, watch_live
from services.ingest.session import SessionSettings
from services.ingest.subscriber import Subscriber
from services.realtime.app import Realtime
from services.realtime.metrics import watch_realtime
from services.realtime.settings import RealtimeSettings
from shared.broker import BrokerSettings
from shared.database.engine import open_engine
from shared.health import Health
from tests.fakes.ingest import settings_in
from tests.fakes.metrics import MemoryFilters, names_of
from tests.fakes.store import FailingStore
from tests.integration.realtime_server import no_table
from tests.rules.tree import ROOT


def ingest_metrics(directory: Path) -> set[str]:
    """The name of every metric of an ingest, as Prometheus has it."""
    health, intake, settings = Health(), Intake(), settings_in(directory)
    broker = BrokerSettings(_env_file=None)
    instruments = Instruments(health)
    MeasuredOutbox(settings, health, instruments)
    watch_intake(instruments.registry, intake)
    subscriber = Subscriber(intake, broker, SessionSettings("rules"), health, MemoryFilters())
    watch_broker(instruments.registry, subscriber)
    watch_live(instruments.registry, LiveAnnouncer(broker, "rules", health))
    return names_of(instruments.registry)


def api_metrics() -> set[str]:
    """The name of every metric that an api has beside those of its health."""
    registry = CollectorRegistry()
    Requests(registry)
    measured(FailingStore(), registry)
    watch_pool(registry, open_engine("sqlite+aiosqlite:///never-opened.db"))
    return names_of(registry)


async def realtime_metrics() -> set[str]:
    registry = CollectorRegistry()
    watch_realtime(registry, Realtime(RealtimeSettings(_env_file=None), no_table))
    return names_of(registry)


async def test_every_metric_is_documented(tmp_path: Path) -> None:
    """docs/metrics.md names every metric as it is scraped, and none that there isn't."""
    page = (ROOT / "docs" / "metrics.md").read_text()
    rows = [line.split("`")[1].partition("{")[0] for line in page.splitlines() if line.startswith("| `telemetrio_")]
    named = {name for name in rows if not name.endswith((" 0", " > 0.5", " > 300"))}
    every = ingest_metrics(tmp_path) | api_metrics() | await realtime_metrics()
    told = {name for name in every if name.startswith("telemetrio_")}
    assert sorted(told - named) == []
    assert sorted(name for name in named - told if " " not in name) == []
