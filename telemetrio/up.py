"""`telemetrio up`: broker, ingest, api and realtime in one process, on one loop, with nothing else installed."""

import asyncio
import socket
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from alembic.util import CommandError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.api.accounts.first import first_password
from services.api.app import create_app
from services.api.buckets import Buckets, open_buckets
from services.api.door import KEY as DOOR
from services.api.identity import is_admin
from services.api.metrics import Requests, measured, watch_pool
from services.api.resources import Resources
from services.api.settings import ApiSettings, BucketSettings
from services.api.streaming import Streams
from services.ingest.announcer import DirectAnnouncer
from services.ingest.assembly import Ingest, Surroundings, open_ingest
from services.ingest.outbox import Outbox
from services.ingest.settings import IngestSettings
from services.realtime.app import Realtime
from services.realtime.archive import StoreArchive
from services.realtime.keeper import TicketKeeper
from services.realtime.latest import LatestTable
from services.realtime.metrics import watch_realtime
from services.realtime.paths import Paths
from services.realtime.settings import RealtimeSettings
from shared.changes import ANY, Change
from shared.database.engine import open_engine, unhurried
from shared.database.migrations.upgrade import upgrade
from shared.database.registry import ensure_local_admin
from shared.draining import Draining
from shared.gate import ASGI3, Gate
from shared.health import Health
from shared.listeners import listening_sockets
from shared.metrics import MetricsPage
from shared.process import ExitCode, Part, Refusal, run_parts, spare_the_collector
from shared.reach import refuse_exposed
from shared.secretkey import kept_secret
from shared.serving import port_taken, serve_web
from shared.settings import read_settings
from shared.timeseries.opening import open_store
from shared.timeseries.settings import StoreSettings
from telemetrio import __version__
from telemetrio.commander import DirectCommander
from telemetrio.demo import run_demo
from telemetrio.embedded import EmbeddedBroker, Hearing, is_device_topic
from telemetrio.greeting import say_password, say_ready
from telemetrio.keyring import Keyring
from telemetrio.settings import UpSettings, refuse_unknown

WEB_DIR: Final = Path(__file__).parent / "web"
_BEAT_S: Final = 0.9


class AllSettings(NamedTuple):
    """Of the process, of all three services, and of the store that they share."""

    up: UpSettings
    ingest: IngestSettings
    api: ApiSettings
    realtime: RealtimeSettings
    store: StoreSettings
    buckets: BucketSettings


def read_all(**flags: Any) -> AllSettings:
    """Read everything at once, so that a slip is found before any I/O; raises Refusal."""
    refuse_unknown()
    own = read_settings(UpSettings, **flags)
    refuse_exposed(own)
    same = {"data_dir": own.data_dir}
    ingest = read_settings(IngestSettings, **same)
    if "unknown_devices" not in ingest.model_fields_set:  # here one is made welcome, unless the operator says otherwise
        ingest = ingest.model_copy(update={"unknown_devices": "register"})
    return AllSettings(
        own,
        ingest,
        read_settings(ApiSettings, **same),
        read_settings(RealtimeSettings, **same),
        read_settings(StoreSettings, **same),
        read_settings(BucketSettings, **same),
    )


async def up(settings: AllSettings, stop: asyncio.Event, *, demo: bool = False) -> None:
    """Run until `stop`; prints the ready line once all of it listens. Raises Refusal for what somebody must mend."""
    async with AsyncExitStack() as stack:
        web = _listen(stack, settings.up)
        system = await _open(stack, settings)
        broker = system.broker
        parts = [*system.ingest.parts, Part("realtime", system.realtime.run), Part("broker", partial(_hold, broker))]
        parts.append(Part("keyring", system.keyring.run))
        parts.append(Part("beat", partial(_beat, system.announcer, system.ingest.outbox)))
        parts.append(Part("post", partial(system.ingest.post.deliver, broker.publish)))
        if demo:
            parts.append(Part("demo", partial(run_demo, broker.ports[0], settings.ingest.device_prefix)))
        parts.append(Part("buckets", system.buckets.run))
        drained = partial(_drained, stop, system, settings.up.drain_s)
        parts.append(Part("server", partial(serve_web, system.app, web, drained), drains=True))
        say_ready(settings.up, web, broker.ports[0], settings.ingest.device_prefix)
        spare_the_collector()
        await run_parts(parts, stop)


class System(NamedTuple):
    """What `_open` put together."""

    app: Gate
    api: Draining
    ingest: Ingest
    broker: EmbeddedBroker
    realtime: Realtime
    streams: Streams
    buckets: Buckets
    keyring: Keyring
    announcer: DirectAnnouncer


async def _open(stack: AsyncExitStack, settings: AllSettings) -> System:
    """Open files and databases and build the apps from them; `stack` closes them in reverse."""
    health = Health()
    settings.up.data_dir.mkdir(parents=True, exist_ok=True)
    engine = await _open_database(stack, settings)
    secret = settings.api.secret or kept_secret(settings.up.data_dir / "secret.key")
    store = await open_store(settings.store)
    stack.push_async_callback(store.close)
    keeper = TicketKeeper(secret, engine) if settings.realtime.auth == "required" else None
    realtime = Realtime(settings.realtime, LatestTable(engine), keeper, StoreArchive(store, engine))
    announcer = DirectAnnouncer(realtime.publish)
    around = Surroundings(engine, store, announcer, health)
    ingest = await open_ingest(stack, settings.ingest, around)
    broker = _make_broker(ingest, settings)
    keyring = Keyring(engine, broker)
    await keyring.load()  # before the first device can come
    await _start_broker(broker, settings.up)
    stack.push_async_callback(broker.stop)
    buckets = open_buckets(stack, settings.store, settings.buckets, engine, health)

    def changed(_: Change = ANY, /) -> None:
        ingest.mirror.refresh()
        keyring.refresh()
        buckets.look()
        realtime.review_soon()

    given = Resources(
        settings.api,
        engine,
        measured(store, ingest.metrics.registry),
        health,
        __version__,
        WEB_DIR,
        changed,
        broker.ports[0],
        DirectCommander(ingest.intake, settings.ingest.source),
        secret,
    )
    app = create_app(given)
    watch_realtime(ingest.metrics.registry, realtime)
    Requests(ingest.metrics.registry).watch(app)
    watch_pool(ingest.metrics.registry, engine)
    admits = partial(is_admin, door=app.extensions[DOOR], engine=engine) if settings.api.auth == "required" else None
    api = Draining(cast("ASGI3", app))
    gate = _gate(settings.api, api, realtime, MetricsPage(ingest.metrics, loopback=True, admits=admits))
    return System(gate, api, ingest, broker, realtime, given.streams, buckets, keyring, announcer)


async def _open_database(stack: AsyncExitStack, settings: AllSettings) -> AsyncEngine:
    """At the newest version, with an administrator."""
    engine = open_engine(settings.up.database, settings.api.database_timeout_s)
    stack.push_async_callback(engine.dispose)
    try:
        async with unhurried(engine) as patient:
            await upgrade(patient)
    except CommandError as error:
        raise Refusal(f"the database can't be brought up to date: {error}", ExitCode.DIED) from error
    async with engine.begin() as connection:
        await ensure_local_admin(connection, time.time_ns())
    if settings.api.auth == "required":
        say_password(await first_password(engine))
    return engine


def _gate(settings: ApiSettings, api: ASGI3, realtime: Realtime, metrics: MetricsPage) -> Gate:
    paths = Paths(realtime, api, {"/metrics": metrics})
    return Gate(paths, allowed_hosts=settings.allowed_hosts, cors_origins=settings.cors_origins)


def _listen(stack: AsyncExitStack, settings: UpSettings) -> Sequence[socket.socket]:
    try:
        sockets = listening_sockets(settings.hosts, settings.port)
    except OSError as error:
        raise port_taken(error, settings.port, "--port") from error
    for each in sockets:
        stack.callback(each.close)
    return sockets


def _make_broker(ingest: Ingest, settings: AllSettings) -> EmbeddedBroker:
    own, prefix = settings.up, settings.ingest.device_prefix
    is_telemetry = partial(is_device_topic, prefix=prefix)
    broker = EmbeddedBroker(
        ingest.intake, hosts=own.mqtt_hosts, port=own.mqtt_port, is_telemetry=is_telemetry, prefix=prefix
    )
    if settings.api.auth == "required":
        broker.hearing = Hearing(ingest.registry.owner_of, prefix)
    return broker


async def _start_broker(broker: EmbeddedBroker, own: UpSettings) -> None:
    try:
        await broker.start()
    except OSError as error:
        raise port_taken(error, own.mqtt_port, "--mqtt-port") from error


async def _beat(announcer: DirectAnnouncer, outbox: Outbox) -> None:
    """What the live announcer of a worker says each second: how far ingest has come, and what is stored."""
    while True:
        announcer.beat(outbox.standing())
        await asyncio.sleep(_BEAT_S)


async def _hold(broker: EmbeddedBroker) -> None:
    """Keep the broker until it is cancelled: it ends before the pipeline does, so that what it took is acknowledged."""
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        await broker.stop()


async def _drained(stop: asyncio.Event, system: System, within_s: float) -> None:
    await stop.wait()
    await asyncio.gather(system.realtime.drain(), system.streams.drain(), system.api.drain(within_s))
