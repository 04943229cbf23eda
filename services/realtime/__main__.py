"""`telemetrio realtime`: announcements from a network broker, to every client that may see them."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from socket import socket
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry, ProcessCollector
from sqlalchemy.ext.asyncio import AsyncEngine

from services.realtime.app import Realtime
from services.realtime.archive import StoreArchive
from services.realtime.feed import Feed
from services.realtime.keeper import TicketKeeper
from services.realtime.latest import LatestTable
from services.realtime.metrics import watch_realtime
from services.realtime.paths import Paths
from services.realtime.settings import ProcessSettings, RealtimeSettings
from services.realtime.watch import watch_dependencies
from shared.broker import BrokerSettings
from shared.database.engine import open_engine
from shared.gate import Gate
from shared.health import Health
from shared.healthpages import HealthPages
from shared.listeners import listening_sockets
from shared.logs import configure_logs
from shared.metrics import Metrics, MetricsPage, watch_health
from shared.process import ExitCode, Part, run, run_parts, spare_the_collector
from shared.reach import refuse_weak_secret
from shared.secretkey import kept_secret
from shared.serving import port_taken, serve_web
from shared.settings import read_settings
from shared.timeseries.opening import open_store
from shared.timeseries.settings import StoreSettings


class AllSettings(NamedTuple):
    """What one realtime reads."""

    process: ProcessSettings
    realtime: RealtimeSettings
    broker: BrokerSettings
    store: StoreSettings


def read_all(**flags: Any) -> AllSettings:
    """Raise Refusal for what is wrong, before anything is opened."""
    own = read_settings(ProcessSettings, **flags)
    refuse_weak_secret(own)
    same = {"data_dir": own.data_dir}
    return AllSettings(
        own,
        read_settings(RealtimeSettings, **same),
        read_settings(BrokerSettings, **same),
        read_settings(StoreSettings, **same),
    )


async def realtime(settings: AllSettings, stop: asyncio.Event) -> None:
    """Run until `stop`. A broker, store or database that is down is waited for, not died of."""
    own, health = settings.process, Health()
    async with AsyncExitStack() as stack:
        web = _listen(stack, own.hosts, own.port, "--port")
        inner = _listen(stack, (own.metrics_host,), own.metrics_port, "TELEMETRIO_METRICS_PORT")
        own.data_dir.mkdir(parents=True, exist_ok=True)
        engine = open_engine(own.database)
        stack.push_async_callback(engine.dispose)
        store = await open_store(settings.store)
        stack.push_async_callback(store.close)
        keeper = _keeper(settings, engine) if settings.realtime.auth == "required" else None
        served = Realtime(settings.realtime, LatestTable(engine), keeper, StoreArchive(store, engine))
        feed = Feed(settings.broker, health, served.publish, served.review_soon)
        metrics = _metrics(health, served)
        pages = HealthPages(health, MetricsPage(metrics))
        app = Gate(
            Paths(served, HealthPages(health, MetricsPage(metrics, loopback=True))),
            allowed_hosts=settings.realtime.allowed_hosts,
            cors_origins=settings.realtime.cors_origins,
        )
        spare_the_collector()
        sys.stdout.write(f"ready http://{own.hosts[0]}:{web[0].getsockname()[1]} {settings.broker.address}\n")
        sys.stdout.flush()
        parts = [
            Part("realtime", served.run),
            Part("watch", partial(watch_dependencies, store, engine, health)),
            Part("feed", feed.run),
            Part("feed_watch", feed.watch),
            # the port of the streams is what a proxy publishes
            Part("metrics", partial(serve_web, pages, inner, stop.wait), drains=True),
            Part("server", partial(serve_web, app, web, partial(_drained, stop, served)), drains=True),
        ]
        await run_parts(parts, stop)


def _keeper(settings: AllSettings, engine: AsyncEngine) -> TicketKeeper:
    """With the api's secret: that which it was given, or that which it keeps in the same data directory."""
    return TicketKeeper(settings.realtime.secret or kept_secret(settings.process.data_dir / "secret.key"), engine)


async def _drained(stop: asyncio.Event, served: Realtime) -> None:
    await stop.wait()
    await served.drain()


def _metrics(health: Health, served: Realtime) -> Metrics:
    registry = CollectorRegistry()
    watch_realtime(registry, served)
    ProcessCollector(registry=registry)
    watch_health(registry, health)
    return Metrics(registry, _nothing)


async def _nothing() -> None:
    """Every figure is at hand."""


def _listen(stack: AsyncExitStack, hosts: Sequence[str], port: int, flag: str) -> Sequence[socket]:
    try:
        sockets = listening_sockets(hosts, port)
    except OSError as error:
        raise port_taken(error, port, flag) from error
    for each in sockets:
        stack.callback(each.close)
    return sockets


def main(**flags: Any) -> ExitCode:
    """Read the settings, run, return the exit code; raises Refusal for wrong settings."""
    settings = read_all(**flags)
    configure_logs(settings.process.log_level, settings.process.log_format)
    return run(partial(realtime, settings), grace_s=settings.process.drain_s + 7)


if __name__ == "__main__":
    sys.exit(main())
