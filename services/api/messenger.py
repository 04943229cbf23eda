"""The api's line to the broker: commands to ingest workers, and word of every change to whoever keeps a copy."""

import asyncio
import secrets
from collections import deque
from typing import Any, Final

import structlog
from aiomqtt import Client, MqttError

from services.api.errors import Away
from shared.broker import REFUSED, Backoff, BrokerSettings, aiomqtt_arguments, publish
from shared.changes import ANY, Change
from shared.commands import AnyCommand
from shared.health import Health
from shared.topics import control_topic, registry_topic

log = structlog.get_logger()

MAX_WAITING: Final = 1_000
_SEND_S: Final = 5.0
_WITHIN_S: Final = 10.0
# a reason code of MQTT 5
_NOBODY_LISTENS: Final = 0x10


class _Line(Client):
    """aiomqtt drops a PUBACK's reason code: without it, what nobody hears and what is forbidden looks delivered."""

    _reason = 0

    async def deliver(self, topic: str, payload: bytes) -> int:
        """At QoS 1; the reason code. One at a time."""
        await publish(self, topic, payload, 1, _SEND_S)
        return self._reason

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason_code: Any, properties: Any) -> None:
        self._reason = reason_code.value
        super()._on_publish(client, userdata, mid, reason_code, properties)


class Messenger:
    """A part of the process, and the Commander of its routes. While there is no broker it goes on trying."""

    def __init__(self, broker: BrokerSettings, health: Health) -> None:
        self._broker = broker
        self._health = health
        self._name = secrets.token_hex(4)
        self._line: _Line | None = None
        self._turn = asyncio.Lock()
        self._changes: deque[Change] = deque()
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Connect for ever."""
        backoff = Backoff()
        arguments = aiomqtt_arguments(self._broker, "api", self._name)
        while True:
            try:
                async with _Line(**arguments, timeout=_SEND_S) as line, asyncio.TaskGroup() as group:
                    self._health.report("broker", "ok", needed=False)
                    backoff.reset()
                    self._line = line
                    group.create_task(_until_lost(line))
                    group.create_task(self._tell(line))
            except* (MqttError, OSError) as errors:
                self._health.report("broker", "down", f"{self._broker.address}: {first(errors)}", needed=False)
            finally:
                self._line = None
            await asyncio.sleep(backoff.next_s())

    def changed(self, change: Change = ANY, /) -> None:
        """Tell it when the broker is there. What is too much becomes one "look at everything"."""
        if len(self._changes) >= MAX_WAITING:
            self._changes.clear()
            change = ANY
        self._changes.append(change.model_copy())  # an object of its own, to be told from equal ones
        self._changed.set()

    async def command(self, source: str, command: AnyCommand) -> None:
        """Return when the broker keeps it for that worker, also while the worker is down; raises Away.

        When the line breaks in between it may be carried out all the same: who asks again does no harm.
        """
        try:
            async with asyncio.timeout(_WITHIN_S), self._turn:
                if self._line is None:
                    raise Away("The broker can't be reached just now: ask again", "ingest_unavailable")
                reason = await self._line.deliver(control_topic(source), command.model_dump_json().encode())
        except (MqttError, OSError) as error:  # TimeoutError is an OSError
            raise Away("The broker does not answer just now: ask again", "ingest_unavailable") from error
        if reason == _NOBODY_LISTENS:
            raise Away(f"The broker knows no ingest worker {source}: start it, then ask again", "ingest_unavailable")
        if reason >= REFUSED:
            log.error("command_refused", source=source, reason_code=reason)
            raise Away("The broker does not let this server speak to ingest: see the log", "ingest_unavailable")

    async def _tell(self, line: _Line) -> None:
        while True:
            while self._changes:
                told = self._changes[0]
                payload = told.model_dump_json(exclude_none=True).encode()
                async with self._turn:
                    reason = await line.deliver(registry_topic(), payload)
                if reason >= REFUSED:  # they all ask the database every 30 s anyway
                    log.error("change_refused", reason_code=reason)
                if self._changes[0] is told:
                    self._changes.popleft()
            self._changed.clear()
            await self._changed.wait()


async def _until_lost(line: _Line) -> None:
    """Nothing is subscribed to: this only raises MqttError once the connection is gone."""
    async for _ in line.messages:
        pass


def first(errors: BaseExceptionGroup[Any]) -> BaseException:
    error: BaseException = errors.exceptions[0]
    return first(error) if isinstance(error, BaseExceptionGroup) else error
