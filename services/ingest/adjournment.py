"""Judgement put off until the registry can be read: messages of unknown devices wait on disk, acknowledged.

Once the relational database has been read they are judged in order, as of when they were received, and the transaction
that removes them says what became of them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Final

from services.ingest import pending
from services.ingest.acceptor import Acceptor
from services.ingest.delivery import Delivery
from services.ingest.group import Group
from services.ingest.outbox import Outbox
from services.ingest.pending import Pending
from services.ingest.registry import Registry
from services.ingest.settings import IngestSettings
from shared.health import Health

MAX_BYTES: Final = 64 << 20
_AT_ONCE_BYTES: Final = 1 << 20


class Adjournment:
    """`run` is a part of the process; the pipeline asks for `room` before a commit, and says after it what was kept."""

    def __init__(self, outbox: Outbox, registry: Registry, settings: IngestSettings, health: Health) -> None:
        self._outbox = outbox
        self._registry = registry
        # one of its own: a time of receipt that lies back must neither move nor follow the clock of what comes in now
        self._acceptor = Acceptor(registry, settings)
        self._health = health
        # less than the outbox may hold: judging them must have room, or neither would ever drain
        self._max_bytes = min(MAX_BYTES, settings.max_outbox_mib << 18)
        self._bytes = 0
        self._woken = asyncio.Event()

    async def load(self) -> None:
        """What an earlier run left behind."""
        self._bytes = await self._outbox.read(pending.used_bytes)
        self._woken.set()

    async def room(self, group: Group) -> None:
        """Return at once unless `group` would keep more than may wait: then when the registry has been read."""
        if group.held and self._bytes >= self._max_bytes and not self._registry.certain:
            waiting = f"{self._bytes >> 20} MiB of unknown devices wait until the relational database can be read"
            self._health.report("registry", "down", waiting)
            await self._registry.heard()

    def kept(self, group: Group) -> None:
        """This group is on disk."""
        if group.held:
            self._bytes += sum(map(pending.size, group.held))
            if not self._registry.certain:
                waiting = "messages of unknown devices wait until the relational database can be read"
                self._health.report("registry", "degraded", waiting)
            self._woken.set()

    async def run(self, settle: Callable[[Group], Awaitable[None]]) -> None:
        """Judge what waits, whenever there is something and the registry has been read."""
        while True:
            await self._woken.wait()
            await self._registry.heard()
            self._woken.clear()
            while waiting := await self._outbox.read(partial(pending.oldest, max_bytes=_AT_ONCE_BYTES)):
                for group, judged in self._groups(waiting):
                    await settle(group)
                    self._bytes -= sum(map(pending.size, judged))
            self._health.report("registry", "ok")

    def _groups(self, waiting: Sequence[Pending]) -> Iterator[tuple[Group, Sequence[Pending]]]:
        """Judged like any other, but counted already: one message and one entry on the spool each."""
        messages = iter(waiting)
        deliveries = [Delivery([(each.topic, each.payload)], each.received_ns, _acknowledged) for each in waiting]
        for group in self._acceptor.groups(deliveries):
            judged = list(islice(messages, sum(count for _, count in group.acks)))
            group.judged = [each.message for each in judged]
            count = len(judged)
            group.counts.subtract({"received": count, "spooled": count, "messages": count})
            yield group, judged


def _acknowledged(_count: int) -> None:
    """They were, when they were put on disk."""
