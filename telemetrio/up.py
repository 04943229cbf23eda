"""`telemetrio up`: broker, ingest, api and realtime in one process, on one loop, with nothing else installed."""

import asyncio
import os
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from services.api.app import create_app
from services.api.resources import Resources
from services.api.settings import ApiSettings
from services.ingest.announcer import DirectAnnouncer
from services.ingest.assembly import Ingest, Surroundings, open_ingest
from services.ingest.outbox import Outbox
from services.ingest.settings import IngestSettings
from services.realtime.app import Realtime
from services.realtime.archive import StoreArchive
from services.realtime.latest import LatestTable
from services.realtime.settings import RealtimeSettings
from shared.database.engine import open_engine
from shared.database.migrations.upgrade import upgrade
from shared.database.registry import ensure_local_admin
from shared.gate import ASGI3, Gate
from shared.health import Health
from shared.listeners import listening_sockets
from shared.metrics import MetricsPage
from shared.process import Part, run_parts, spare_the_collector
from shared.serving import port_taken, serve_web
from shared.settings import read_settings
from shared.timeseries.opening import open_store
from shared.timeseries.settings import StoreSettings
from shared.topics import data_topic
from telemetrio import __version__
from telemetrio.commander import DirectCommander
from telemetrio.demo import run_demo
from telemetrio.embedded import EmbeddedBroker, is_device_topic
from telemetrio.settings import UpSettings, refuse_unknown
from telemetrio.web import ByPath

WEB_DIR: Final = Path(__file__).parent / "web"
_BEAT_S: Final = 0.9


class AllSettings(NamedTuple):
    """Of the process, of all three services, and of the store that they share."""

    up: UpSettings
    ingest: IngestSettings
    api: ApiSettings
    realtime: RealtimeSettings
    store: StoreSettings


def read_all(**flags: Any) -> AllSettings:
    """Read everything at once, so that a slip is found before any I/O; raises Refusal."""
    refuse_unknown()
    own = read_settings(UpSettings, **flags)
    same = {"data_dir": own.data_dir}
    # here an unknown device is made welcome, unless the operator says otherwise
    welcome = None if "TELEMETRIO_UNKNOWN_DEVICES" in os.environ else "register"
    return AllSettings(
        own,
        read_settings(IngestSettings, unknown_devices=welcome, **same),
        read_settings(ApiSettings, **same),
        read_settings(RealtimeSettings, **same),
        read_settings(StoreSettings, **same),
    )


async def up(settings: AllSettings, stop: asyncio.Event, *, demo: bool = False) -> None:
    """Run until `stop`; prints the ready line once all of it listens. Raises Refusal for what somebody must mend."""
    async with AsyncExitStack() as stack:
        web = _listen(stack, settings.up)
        system = await _open(stack, settings)
        broker = system.broker
        parts = [*system.ingest.parts, Part("realtime", system.realtime.run), Part("broker", partial(_hold, broker))]
        parts.append(Part("beat", partial(_beat, system.announcer, system.ingest.outbox)))
        parts.append(Part("post", partial(system.ingest.post.deliver, broker.publish)))
        if demo:
            parts.append(Part("demo", partial(run_demo, broker.ports[0], settings.ingest.device_prefix)))
        drained = partial(_drained, stop, system.realtime)
        parts.append(Part("server", partial(serve_web, system.app, web, drained), drains=True))
        _say_ready(settings, web, broker)
        spare_the_collector()
        await run_parts(parts, stop)


class System(NamedTuple):
    """What `_open` put together."""

    app: Gate
    ingest: Ingest
    broker: EmbeddedBroker
    realtime: Realtime
    announcer: DirectAnnouncer


async def _open(stack: AsyncExitStack, settings: AllSettings) -> System:
    """Open files and databases and build the apps from them; `stack` closes them in reverse."""
    health = Health()
    settings.up.data_dir.mkdir(parents=True, exist_ok=True)
    engine = open_engine(settings.up.database)
    stack.push_async_callback(engine.dispose)
    await upgrade(engine)
    async with engine.begin() as connection:
        await ensure_local_admin(connection, time.time_ns())
    store = await open_store(settings.store)
    stack.push_async_callback(store.close)
    realtime = Realtime(settings.realtime, LatestTable(engine), StoreArchive(store, engine))
    announcer = DirectAnnouncer(realtime.publish)
    around = Surroundings(engine, store, announcer, health)
    ingest = await open_ingest(stack, settings.ingest, around)
    broker = await _start_broker(ingest, settings)
    stack.push_async_callback(broker.stop)
    given = Resources(
        settings.api,
        engine,
        store,
        health,
        __version__,
        WEB_DIR,
        ingest.mirror.refresh,
        broker.ports[0],
        DirectCommander(ingest.intake, settings.ingest.source),
    )
    api = create_app(given)
    metrics = MetricsPage(ingest.metrics, loopback=True)
    paths: dict[str, ASGI3] = {"/ws": realtime.asgi_ws, "/socket.io": realtime.asgi_socketio, "/metrics": metrics}
    app = Gate(
        ByPath(cast("ASGI3", api), paths),
        allowed_hosts=settings.api.allowed_hosts,
        cors_origins=settings.api.cors_origins,
    )
    return System(app, ingest, broker, realtime, announcer)


def _listen(stack: AsyncExitStack, settings: UpSettings) -> Sequence[socket.socket]:
    try:
        sockets = listening_sockets(settings.hosts, settings.port)
    except OSError as error:
        raise port_taken(error, settings.port, "--port") from error
    for each in sockets:
        stack.callback(each.close)
    return sockets


async def _start_broker(ingest: Ingest, settings: AllSettings) -> EmbeddedBroker:
    own = settings.up
    is_telemetry = partial(is_device_topic, prefix=settings.ingest.device_prefix)
    broker = EmbeddedBroker(ingest.intake, hosts=own.hosts, port=own.mqtt_port, is_telemetry=is_telemetry)
    try:
        await broker.start()
    except OSError as error:
        raise port_taken(error, own.mqtt_port, "--mqtt-port") from error
    return broker


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


async def _drained(stop: asyncio.Event, realtime: Realtime) -> None:
    await stop.wait()
    await realtime.drain()


def _say_ready(settings: AllSettings, web: Sequence[socket.socket], broker: EmbeddedBroker) -> None:
    """Tell people and scripts, on standard output, that everything listens and what to do next."""
    host = "127.0.0.1" if settings.up.host == "localhost" else settings.up.host
    shown = f"[{host}]" if ":" in host else host
    mqtt_port = broker.ports[0]
    sys.stdout.write(
        f"ready http://{shown}:{web[0].getsockname()[1]} mqtt://{shown}:{mqtt_port}\n"
        f"data  {settings.up.data_dir.absolute()}\n"
        f"try   mosquitto_pub -h {host} -p {mqtt_port} -t {data_topic('test_device', settings.ingest.device_prefix)} "
        """-m '{"temperature": 23.5, "humidity": 55, "pressure": 1013.25}'\n"""
    )
    sys.stdout.flush()
