"""`telemetrio api`: the HTTP API as a process of its own, from settings, beside ingest and realtime."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from importlib.metadata import version
from pathlib import Path
from socket import socket
from typing import Any, NamedTuple, cast

from prometheus_client import CollectorRegistry, ProcessCollector
from sqlalchemy.ext.asyncio import AsyncEngine

from services.api.accounts.first import first_password, told
from services.api.app import create_app
from services.api.buckets import Buckets, open_buckets
from services.api.database import Database
from services.api.dynsec.provisioner import Provisioner
from services.api.messenger import Messenger
from services.api.metrics import Requests, measured, watch_pool
from services.api.resources import AskedLater, Resources
from services.api.settings import AdmissionSettings, ApiSettings, BucketSettings, ProcessSettings
from services.api.streaming import Streams
from services.api.watch import watch_store
from shared.broker import BrokerSettings
from shared.changes import ANY, Change, Changed
from shared.database.engine import open_engine
from shared.draining import Draining
from shared.gate import ASGI3, Gate
from shared.health import Health
from shared.healthpages import HealthPages
from shared.listeners import listening_sockets
from shared.logs import configure_logs
from shared.metrics import Metrics, MetricsPage, watch_health
from shared.process import ExitCode, Part, run, run_parts, spare_the_collector
from shared.reach import refuse_exposed
from shared.secretkey import kept_secret
from shared.serving import port_taken, serve_web
from shared.settings import read_settings
from shared.timeseries.opening import open_store
from shared.timeseries.settings import StoreSettings


class AllSettings(NamedTuple):
    """What one api reads."""

    process: ProcessSettings
    api: ApiSettings
    broker: BrokerSettings
    store: StoreSettings
    buckets: BucketSettings
    admission: AdmissionSettings


def read_all(**flags: Any) -> AllSettings:
    """Raise Refusal for what is wrong, before anything is opened."""
    own = read_settings(ProcessSettings, **flags)
    refuse_exposed(own)
    same = {"data_dir": own.data_dir}
    return AllSettings(
        own,
        read_settings(ApiSettings, **same),
        read_settings(BrokerSettings, **same),
        read_settings(StoreSettings, **same),
        read_settings(BucketSettings, **same),
        read_settings(AdmissionSettings, **same),
    )


async def api(settings: AllSettings, stop: asyncio.Event, web_dir: Path) -> None:
    """Run until `stop`. A database, store or broker that is down is waited for, not died of."""
    own = settings.process
    async with AsyncExitStack() as stack:
        web = _listen(stack, own.hosts, own.port, "--port")
        inner = _listen(stack, (own.metrics_host,), own.metrics_port, "TELEMETRIO_METRICS_PORT")
        system = await _open(stack, settings, web_dir)
        drained = partial(_drained, stop, system, own.drain_s)
        spare_the_collector()
        sys.stdout.write(f"ready http://{own.hosts[0]}:{web[0].getsockname()[1]}\n")
        sys.stdout.flush()
        await run_parts(
            [
                *system.parts,
                Part("metrics", partial(serve_web, system.pages, inner, stop.wait), drains=True),
                Part("server", partial(serve_web, system.app, web, drained), drains=True),
            ],
            stop,
        )


class System(NamedTuple):
    """What `_open` put together: the web, the layer that drains it, the pages for supervisors, and the parts."""

    app: Gate
    draining: Draining
    streams: Streams
    pages: HealthPages
    parts: list[Part]


async def _open(stack: AsyncExitStack, settings: AllSettings, web_dir: Path) -> System:
    """Open what needs no server, and build the app from it; `stack` closes it in reverse."""
    own, health, registry = settings.process, Health(), CollectorRegistry()
    own.data_dir.mkdir(parents=True, exist_ok=True)
    engine = open_engine(own.database, settings.api.database_timeout_s)
    stack.push_async_callback(engine.dispose)
    store = await open_store(settings.store)
    stack.push_async_callback(store.close)
    welcome = _say_password if settings.api.auth == "required" else None
    database, messenger = Database(own.database, engine, health, welcome), Messenger(settings.broker, health)
    buckets = open_buckets(stack, settings.store, settings.buckets, engine, health)

    admission = _admission(settings, engine, health)
    given = Resources(
        settings.api,
        engine,
        measured(store, registry),
        health,
        version("telemetrio"),
        web_dir,
        registry_changed=_telling(messenger, buckets, admission),
        commander=messenger,
        admission=admission,
        secret=settings.api.secret or kept_secret(own.data_dir / "secret.key"),
        tables_ready=database.ready,
        broker_secret=settings.admission.proof,
        device_prefixes=settings.admission.device_prefixes,
    )
    app = create_app(given)
    Requests(registry).watch(app)
    watch_pool(registry, engine)
    watch_health(registry, health)
    ProcessCollector(registry=registry)
    draining = Draining(cast("ASGI3", app))
    parts = [
        Part("database", database.run),
        Part("messenger", messenger.run),
        Part("store", partial(watch_store, store, health)),
        Part("buckets", buckets.run),
        Part("admission", admission.run),
    ]
    gate = Gate(draining, allowed_hosts=settings.api.allowed_hosts, cors_origins=settings.api.cors_origins)
    return System(
        gate, draining, given.streams, HealthPages(health, MetricsPage(Metrics(registry, _nothing_to_read))), parts
    )


def _telling(messenger: Messenger, *lookers: Buckets | Provisioner | AskedLater) -> Changed:
    def changed(change: Change = ANY, /) -> None:
        messenger.changed(change)
        for each in lookers:
            each.look()

    return changed


def _admission(settings: AllSettings, engine: AsyncEngine, health: Health) -> Provisioner | AskedLater:
    """How the broker comes to know the devices' credentials."""
    if settings.admission.broker_auth != "dynsec":
        return AskedLater(named=settings.admission.broker_auth == "http")
    return Provisioner(settings.broker, engine, health, settings.admission.device_prefixes)


async def _nothing_to_read() -> None:
    """Every figure of an api is in its memory."""


async def _say_password(engine: AsyncEngine) -> None:
    made = await first_password(engine)
    if made is not None:
        sys.stdout.write(told(*made))
        sys.stdout.flush()


async def _drained(stop: asyncio.Event, system: System, within_s: float) -> None:
    await stop.wait()
    await asyncio.gather(system.streams.drain(), system.draining.drain(within_s))


def _listen(stack: AsyncExitStack, hosts: Sequence[str], port: int, flag: str) -> Sequence[socket]:
    try:
        sockets = listening_sockets(hosts, port)
    except OSError as error:
        raise port_taken(error, port, flag) from error
    for each in sockets:
        stack.callback(each.close)
    return sockets


def main(web_dir: Path = Path("telemetrio/web"), **flags: Any) -> ExitCode:
    """Read the settings, run, return the exit code; raises Refusal for wrong settings."""
    settings = read_all(**flags)
    configure_logs(settings.process.log_level, settings.process.log_format)
    return run(lambda stop: api(settings, stop, web_dir), grace_s=settings.process.drain_s + 7)


if __name__ == "__main__":
    sys.exit(main())
