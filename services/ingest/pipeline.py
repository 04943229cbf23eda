"""THE flow, on one page: receive → judge → commit (fsync) → acknowledge → announce → write to the store.

Order is everything here. A delivery is acknowledged only when what became of it is on disk; it is announced only then;
and it is deleted only when the store has it. Any step may be cut off at any moment: the next run goes on from the file.
"""

import asyncio
from dataclasses import replace

import structlog

from services.ingest.acceptor import Acceptor
from services.ingest.adjournment import Adjournment
from services.ingest.announcer import Announcer
from services.ingest.complaints import Complaints
from services.ingest.delivery import Intake
from services.ingest.errors import OutboxFull
from services.ingest.group import Group
from services.ingest.mirror import Mirror
from services.ingest.notices import Notices
from services.ingest.outbox import Outbox
from services.ingest.registry import Registry
from services.ingest.stages import each
from services.ingest.writer import Writer
from shared.readings import ReadingBatch

log = structlog.get_logger()


class Pipeline:
    """One task: groups are committed one after the other; while one commits, the next gathers in the intake."""

    def __init__(  # noqa: PLR0913, PLR0917 - the parts of the flow, each once
        self,
        intake: Intake,
        notices: Notices,
        acceptor: Acceptor,
        complaints: Complaints,
        registry: Registry,
        outbox: Outbox,
        adjournment: Adjournment,
        announcer: Announcer,
        writer: Writer,
        mirror: Mirror,
    ) -> None:
        self._intake = intake
        self._notices = notices
        self._acceptor = acceptor
        self._complaints = complaints
        self._registry = registry
        self._outbox = outbox
        self._adjournment = adjournment
        self._announcer = announcer
        self._writer = writer
        self._mirror = mirror
        self._turn = asyncio.Lock()

    async def run(self) -> None:
        """Take deliveries until cancelled; each is acknowledged once it is on disk, whatever became of it."""
        while True:
            for handler, deliveries in self._notices.runs(await self._intake.take()):
                if handler is None:
                    for group in each("judge", self._acceptor.groups(deliveries)):
                        await self.settle(group)
                else:
                    (notice,) = deliveries
                    await handler(notice.one)
                    notice.ack(1)

    async def settle(self, group: Group) -> None:
        """Commit, then everything that rests on it; one group at a time, whoever judged it."""
        async with self._turn:
            await self._adjournment.room(group)
            batch = await self._commit(group)
            self._adjournment.kept(group)
            group.acknowledge()
            if batch is not None:
                self._announcer.announce(replace(batch, readings=(), body=b"[]") if group.quiet else batch)
                self._writer.take(batch)
            if not group.gone:  # what is driven again was told when it came
                self._complaints.hear(group.letters)
            self._mirror.wake()

    async def _commit(self, group: Group) -> ReadingBatch | None:
        """Try until there is room: nothing is acknowledged meanwhile, and the broker stops reading."""
        registered = [self._registry.row(device_id) for device_id in group.registered]
        while True:
            try:
                batch = await self._outbox.commit(group, registered)
            except OutboxFull as full:
                log.warning("outbox_full", reason=str(full))
                await self._outbox.room(full)
            else:
                self._registry.announce(group.registered)
                return batch
