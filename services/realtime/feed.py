"""What ingest announces, heard from the broker: every replica reads all of it. What is not heard shows by `prev`."""

import asyncio
import uuid
from collections.abc import Callable
from typing import Final

import structlog
from aiomqtt import Client, Message, MqttError

from shared.broker import Backoff, BrokerSettings, SubscriptionRefused, aiomqtt_arguments, subscribe
from shared.health import Health
from shared.readings import BadAnnouncement, ReadingBatch, decode_announcement
from shared.topics import live_topic, registry_topic

log = structlog.get_logger()

_ANSWER_S: Final = 5.0
# a flood that this process can't take is a hole that is noticed, not memory that grows
_MAX_WAITING: Final = 5_000
_LOOK_S: Final = 1.0
# each ingest says something every second
_SILENT_S: Final = 5.0


class Feed:
    """`run` and `watch` are parts of the process. `changed`: whom to tell that the registry has changed, if anybody."""

    def __init__(
        self,
        broker: BrokerSettings,
        health: Health,
        publish: Callable[[ReadingBatch], None],
        changed: Callable[[], None] | None = None,
    ) -> None:
        self._broker = broker
        self._health = health
        self._publish = publish
        self._changed = changed
        self._heard_s = 0.0
        self._connected = False
        self.announcements = 0
        self.bad = 0

    async def run(self) -> None:
        """Connect for ever, under a name of this process alone: a replica beside it has another."""
        backoff = Backoff()
        arguments = aiomqtt_arguments(self._broker, "realtime", uuid.uuid4().hex[:12])
        while True:
            try:
                async with Client(**arguments, timeout=_ANSWER_S, max_queued_incoming_messages=_MAX_WAITING) as client:
                    await subscribe(client, live_topic("+"), 0)
                    if self._changed is not None:
                        await self._hear_of_changes(client)
                        self._changed()  # it may have been said while nobody listened
                    backoff.reset()
                    await self._listen(client)
            except (MqttError, OSError) as error:
                self._connected = False
                self._health.report("feed", "down", f"{self._broker.address}: {error}")
            await asyncio.sleep(backoff.next_s())

    async def watch(self) -> None:
        """A broker that is there and says nothing is no feed either."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_LOOK_S)
            if self._connected:
                silent = loop.time() - self._heard_s > _SILENT_S
                detail = f"no ingest has said anything for {_SILENT_S:.0f} s" if silent else ""
                self._health.report("feed", "degraded" if silent else "ok", detail)

    async def _hear_of_changes(self, client: Client) -> None:
        try:
            await subscribe(client, registry_topic(), 1)
        except SubscriptionRefused as error:  # readings go on; the database is asked from time to time anyway
            log.warning("changes_unheard", reason=str(error))

    async def _listen(self, client: Client) -> None:
        self._connected = True
        self._heard_s = asyncio.get_running_loop().time()
        self._health.report("feed", "ok")
        async for message in client.messages:
            self._hear(message)
            await asyncio.sleep(0)  # while many wait, sessions have their turn all the same

    def _hear(self, message: Message) -> None:
        if message.topic.value == registry_topic() and self._changed is not None:
            self._changed()
            return
        try:
            batch = decode_announcement(bytes(message.payload))
        except BadAnnouncement as error:
            self.bad += 1
            if self.bad.bit_count() == 1:  # the first, and ever more rarely
                log.warning("bad_announcement", topic=message.topic.value, reason=str(error), seen=self.bad)
            return
        self._heard_s = asyncio.get_running_loop().time()
        self.announcements += 1
        self._publish(batch)
