"""Ingest put together: from its settings and what it works with, to the parts that a process runs."""

from contextlib import AsyncExitStack
from functools import partial
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from services.ingest.acceptor import Acceptor
from services.ingest.adjournment import Adjournment
from services.ingest.announcer import Announcer
from services.ingest.commands import Commands
from services.ingest.complaints import Complaints
from services.ingest.delivery import Intake
from services.ingest.errors import OutboxFull
from services.ingest.measuredstore import MeasuredStore
from services.ingest.metrics import Instruments, MeasuredOutbox, watch_intake
from services.ingest.mirror import Mirror
from services.ingest.notices import Notices
from services.ingest.outbox import Outbox
from services.ingest.pipeline import Pipeline
from services.ingest.post import Post
from services.ingest.redrive import Redriver
from services.ingest.registry import Registry
from services.ingest.settings import IngestSettings
from services.ingest.writer import Writer
from shared.health import Health
from shared.metrics import Metrics
from shared.process import ExitCode, Part, Refusal
from shared.profiles import DEFAULT_PROFILE
from shared.timeseries.store import TimeSeriesStore
from shared.topics import control_topic, registry_topic


class Surroundings(NamedTuple):
    """What ingest works with and does not own."""

    engine: AsyncEngine
    store: TimeSeriesStore
    announcer: Announcer
    health: Health


class Ingest(NamedTuple):
    """`parts`: consumers first, so that they are ended last.

    Brokers offer to `intake`, subscribe to the topics of `notices`, and carry what is in `post`.
    """

    intake: Intake
    notices: Notices
    post: Post
    mirror: Mirror
    registry: Registry
    outbox: Outbox
    parts: list[Part]
    metrics: Metrics


async def open_ingest(stack: AsyncExitStack, settings: IngestSettings, around: Surroundings) -> Ingest:
    """Open the outbox and read what it knows; `stack` closes it, after a last push to the relational database.

    Raises Refusal where the disk does not let it.
    """
    instruments = Instruments(around.health)
    outbox = MeasuredOutbox(settings, around.health, instruments)
    try:
        await outbox.open()
    except OutboxFull as full:
        raise Refusal(f"{full}: make room on the disk of {settings.data_dir}, or mend it", ExitCode.DIED) from full
    stack.push_async_callback(outbox.close)
    registry = Registry(settings.unknown_devices, DEFAULT_PROFILE)
    mirror = Mirror(outbox, registry, around.engine, around.health)
    await mirror.load()
    stack.push_async_callback(mirror.push_last)
    stack.push_async_callback(outbox.settle)  # runs before the last push, so that people see the books as they ended
    intake, notices, post = Intake(), Notices(), Post()
    complaints = Complaints(post, settings.device_prefix)
    watch_intake(instruments.registry, intake)
    store = MeasuredStore(around.store, instruments)
    writer = Writer(outbox, store, around.announcer, around.health)
    adjournment = Adjournment(outbox, registry, settings, around.health)
    await adjournment.load()
    pipeline = Pipeline(
        intake,
        notices,
        Acceptor(registry, settings),
        complaints,
        registry,
        outbox,
        adjournment,
        around.announcer,
        writer,
        mirror,
    )
    commands = Commands(outbox, Redriver(registry, settings), post)
    notices.on(registry_topic(), mirror.heard)
    notices.on(control_topic(settings.source), partial(commands.carry_out, settle=pipeline.settle))
    parts = [
        Part("outbox", partial(outbox.run, mirror.wake)),
        Part("mirror", mirror.run),
        Part("complaints", complaints.run),
        Part("writer", writer.run),
        Part("pipeline", pipeline.run),
        Part("adjournment", partial(adjournment.run, pipeline.settle)),
    ]
    return Ingest(intake, notices, post, mirror, registry, outbox, parts, Metrics(instruments.registry, outbox.look))
