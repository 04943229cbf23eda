"""`telemetrio ingest`: devices' messages from a network broker, to disk, to the store, and announced. One process."""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from socket import socket
from typing import Any, Final, NamedTuple

import structlog

from services.ingest import lock
from services.ingest.assembly import Surroundings, open_ingest
from services.ingest.books import told
from services.ingest.filters import OutboxFilters
from services.ingest.live import LiveAnnouncer
from services.ingest.metrics import watch_broker, watch_live
from services.ingest.outbox import Outbox
from services.ingest.post import deliver_over_network
from services.ingest.session import SessionSettings
from services.ingest.settings import IngestSettings
from services.ingest.subscriber import Subscriber
from shared.broker import BrokerSettings
from shared.database.engine import open_engine
from shared.health import Health
from shared.healthpages import HealthPages
from shared.listeners import listening_sockets
from shared.logs import configure_logs
from shared.metrics import MetricsPage
from shared.process import ExitCode, Part, Refusal, run, run_parts, spare_the_collector
from shared.serving import port_taken, serve_web
from shared.settings import read_settings
from shared.timeseries.opening import open_store
from shared.timeseries.settings import StoreSettings

log = structlog.get_logger()

_LOOK_S: Final = 0.2
_DATABASE_S: Final = 30.0  # a statement that takes longer has no answer; what was to be told is told again


class AllSettings(NamedTuple):
    """What one ingest reads."""

    ingest: IngestSettings
    broker: BrokerSettings
    store: StoreSettings


def read_all(**flags: Any) -> AllSettings:
    """Raise Refusal for what is wrong, before anything is opened."""
    own = read_settings(IngestSettings, **flags)
    same = {"data_dir": own.data_dir}
    return AllSettings(own, read_settings(BrokerSettings, **same), read_settings(StoreSettings, **same))


async def ingest(settings: AllSettings, stop: asyncio.Event, *, retiring: bool = False) -> None:
    """Run until `stop`. A broker, store or database that is down is waited for, not died of.

    `retiring`: take what the broker holds for this name, store it, end the session, and stop.
    """
    own, health = settings.ingest, Health()
    async with AsyncExitStack() as stack:
        web = _listen(stack, own)
        lock.make(own.data_dir)
        engine = open_engine(own.database, _DATABASE_S)
        stack.push_async_callback(engine.dispose)
        store = await open_store(settings.store)
        stack.push_async_callback(store.close)
        live = LiveAnnouncer(settings.broker, own.source, health)
        parts = await open_ingest(stack, own, Surroundings(engine, store, live, health))
        session = SessionSettings(
            own.source,
            own.device_prefix,
            own.share_group,
            parts.notices.topics,
            settings.broker.mqtt_keepalive_s,
        )
        subscriber = Subscriber(parts.intake, settings.broker, session, health, OutboxFilters(parts.outbox))
        subscriber.connected = parts.mirror.refresh  # a notice that the registry changed is not kept for who is away
        if retiring:
            _refuse_with_letters(parts.outbox)
        watch_broker(parts.metrics.registry, subscriber)
        watch_live(parts.metrics.registry, live)
        pages = HealthPages(health, MetricsPage(parts.metrics), {"/books": lambda: told(parts.outbox.books)})
        spare_the_collector()
        sys.stdout.write(f"ready http://{own.health_host}:{web[0].getsockname()[1]} {settings.broker.address}\n")
        sys.stdout.flush()
        await run_parts(
            [
                *parts.parts,
                Part("live", partial(live.run, parts.outbox.standing)),
                Part("post", partial(deliver_over_network, parts.post, settings.broker, own.source)),
                Part("subscriber", subscriber.run),
                *([Part("retire", partial(_retire, subscriber, parts.outbox, stop), drains=True)] if retiring else ()),
                Part("server", partial(serve_web, pages, web, stop.wait), drains=True),
            ],
            stop,
        )


def _refuse_with_letters(outbox: Outbox) -> None:
    left = outbox.books["dead_lettered"]
    if left:
        raise Refusal(
            f"{left} entries are dead letters in {outbox.source}'s file: look at them before this worker retires",
            ExitCode.WRONG_SETTINGS,
        )


async def _end_session(subscriber: Subscriber) -> None:
    while True:
        try:
            return await subscriber.retire()
        except ConnectionError as error:
            log.warning("retire_again", reason=str(error))


async def _retire(subscriber: Subscriber, outbox: Outbox, stop: asyncio.Event) -> None:
    """Nothing is left behind: neither at the broker nor in the outbox. Tried again while a line breaks."""
    retired = asyncio.create_task(_end_session(subscriber))
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([retired, stopped], return_when=asyncio.FIRST_COMPLETED)
        if retired.done():
            retired.result()
    finally:
        retired.cancel()
        stopped.cancel()
    while outbox.books["spooled"] and not stop.is_set():  # noqa: ASYNC110 - the store may be away for hours
        await asyncio.sleep(_LOOK_S)
    stop.set()


def _listen(stack: AsyncExitStack, settings: IngestSettings) -> Sequence[socket]:
    try:
        sockets = listening_sockets((settings.health_host,), settings.health_port)
    except OSError as error:
        raise port_taken(error, settings.health_port, "TELEMETRIO_HEALTH_PORT") from error
    for each in sockets:
        stack.callback(each.close)
    return sockets


def main(*, retire: bool = False, **flags: Any) -> ExitCode:
    """Read the settings, run, return the exit code; raises Refusal for wrong settings."""
    settings = read_all(**flags)
    configure_logs(settings.ingest.log_level, settings.ingest.log_format)
    return run(partial(ingest, settings, retiring=retire), grace_s=settings.ingest.drain_s + 7)


if __name__ == "__main__":
    sys.exit(main())
