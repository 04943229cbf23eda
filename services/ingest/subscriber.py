"""Ingest as a client of a network broker: connects for ever, keeps one session, hands every message to the intake.

Shaped like aiomqtt 3's client, on the same codec, so that it can give way to it (docs/decisions/0005).
"""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

import structlog
from mqtt5 import (
    ConnAckPacket,
    DisconnectPacket,
    PingReqPacket,
    PingRespPacket,
    PubAckPacket,
    PublishPacket,
    SubAckPacket,
    UnsubAckPacket,
    UnsubscribePacket,
)

from services.ingest.connection import Connection, End, Tally
from services.ingest.delivery import Intake
from services.ingest.errors import OutboxFull
from services.ingest.session import (
    Filters,
    SessionRefused,
    SessionSettings,
    SessionTakenOver,
    check_connected,
    check_granted,
    words,
)
from shared.broker import REFUSED, Backoff, BrokerSettings, tls_context
from shared.health import Health

log = structlog.get_logger()

_DRAIN_S: Final = 2.0
_LOOK_FOR_ROOM_S: Final = 0.5


class Subscriber:
    """A part of the process. While there is no broker it says so on the health page and goes on trying.

    `connected` is called each time that it can take messages: whatever was told meanwhile, nobody heard it.
    """

    def __init__(
        self, intake: Intake, broker: BrokerSettings, session: SessionSettings, health: Health, filters: Filters
    ) -> None:
        self._intake = intake
        self._address = broker.address
        self._tls = tls_context(broker)
        self._settings = session
        self._health = health
        self._filters = filters
        self.connected: Callable[[], None] = _nothing
        self._tally = Tally()
        self._known: dict[int, int] = {}
        self._connection: Connection | None = None
        self._ready = asyncio.Event()
        self._packet_ids = itertools.cycle(range(1, 65_536))
        self._claimed = False
        self._seen: str | None = None
        self._retired = False

    async def run(self) -> None:
        """Connect for ever; raises SessionTakenOver when another ingest has this session."""
        backoff = Backoff()
        self._health.report("broker", "down", f"{self._address}: not connected yet")
        while not self._retired:
            end = await self._session(backoff)
            if self._seen not in {None, self._settings.instance}:
                raise SessionTakenOver(self._settings.source, str(self._address))
            if not self._retired:
                self._health.report("broker", "down", f"{self._address}: {end.reason}")
                await asyncio.sleep(backoff.next_s())
        await asyncio.Event().wait()

    def stats(self) -> Tally:
        """What was counted since the start."""
        return replace(self._tally)

    async def _session(self, backoff: Backoff) -> End:
        """One connection, from dialling to its end; none while the intake is full, or each would add what it brings."""
        self._seen = None
        await self._intake.room()
        try:
            async with asyncio.timeout(self._settings.keepalive_s):
                connection = await self._dial()
        except (OSError, TimeoutError) as error:
            return End(_reason(error, self._settings.keepalive_s))
        keeper: asyncio.Task[None] | None = None
        try:
            async with asyncio.timeout(self._settings.keepalive_s):
                keepalive_s = await self._establish(connection)
            keeper = asyncio.create_task(connection.keep_alive(keepalive_s), name="keepalive")
            await self._serve(connection)
            end = connection.ended.result()
            if not end.violated:
                backoff.reset()
        except (OSError, TimeoutError, SessionRefused, OutboxFull) as error:
            connection.end(_reason(error, self._settings.keepalive_s))
        except asyncio.CancelledError:
            await _leave(connection)
            raise
        finally:
            self._ready.clear()
            self._known = connection.remembered()
            if keeper is not None:
                keeper.cancel()
            await connection.close()
        return connection.ended.result()

    async def _dial(self) -> Connection:
        address, loop = self._address, asyncio.get_running_loop()
        _, connection = await loop.create_connection(
            lambda: Connection(self._intake, self._tally, self._known, (self._settings.instance_topic, self._notice)),
            address.host,
            address.port,
            ssl=self._tls,
        )
        return connection

    async def _serve(self, connection: Connection) -> None:
        """Until it ends."""
        connection.release()
        self._connection = connection
        self._ready.set()
        self._tally.connections += 1
        self._health.report("broker", "ok", str(self._address))
        self.connected()
        # not awaited itself: a cancellation would cancel the future, and with it the reason
        await asyncio.wait([connection.ended])

    async def _establish(self, connection: Connection) -> float:
        """Agree on the session, see that it is ours; returns the keepalive. Raises SessionRefused, ConnectionError."""
        answer = await connection.ask(self._settings.connect(self._address), ConnAckPacket)
        check_connected(answer)
        saved = await self._filters.load()
        if not answer.session_present:
            connection.acknowledgements.forget()
            if saved:
                self._tally.sessions_lost += 1
                log.warning("session_lost", source=self._settings.source, broker=str(self._address))
        if not self._claimed:
            await self._claim(connection)
        await self._subscribe(connection, saved)
        # what was retained came before this answer
        await connection.ask(PingReqPacket(), PingRespPacket)
        if self._seen is None:
            await self._claim(connection)  # the broker has forgotten it
        return float(answer.server_keep_alive or self._settings.keepalive_s)

    def _notice(self, connection: Connection, instance: bytes) -> None:
        """Somebody says whose session this is; nobody's, where the message is empty."""
        if instance:
            self._seen = instance.decode("utf-8", "replace")
            if self._seen != self._settings.instance:
                connection.end("another ingest has taken the session over")

    async def _claim(self, connection: Connection) -> None:
        """Once per process: who connects again must see whether another has claimed it meanwhile."""
        await self._publish(connection, self._settings.claim(next(self._packet_ids)))
        self._claimed = True

    async def _publish(self, connection: Connection, packet: PublishPacket) -> None:
        answer = await connection.ask(packet, PubAckPacket)
        if answer.reason_code.value >= REFUSED:
            raise SessionRefused(f"the broker refuses to publish {packet.topic}: {words(answer.reason_code.name)}")

    async def _subscribe(self, connection: Connection, saved: Sequence[str]) -> None:
        """Hold exactly the filters of the settings. Both are written down first: a crash leaves none unknown."""
        wanted = self._settings.filters()
        patterns = [one.pattern for one in wanted]
        stale = [pattern for pattern in saved if pattern not in patterns]
        if set(patterns) != set(saved):
            await self._filters.save([*stale, *patterns])
        if stale:
            await connection.ask(UnsubscribePacket(next(self._packet_ids), stale), UnsubAckPacket)
        check_granted(wanted, await connection.ask(self._settings.subscribe(next(self._packet_ids)), SubAckPacket))
        if stale:
            await self._filters.save(patterns)

    async def retire(self) -> None:
        """Unsubscribe, let everything that waits at the broker come, and end the session; `run()` then idles.

        Raises ConnectionError when the connection is lost meanwhile: call it again, nothing is lost.
        """
        await self._ready.wait()
        connection = self._connection
        if connection is None:
            raise ConnectionError("there is no connection")
        saved = await self._filters.load()
        if saved:
            await connection.ask(UnsubscribePacket(next(self._packet_ids), list(saved)), UnsubAckPacket)
        await self._empty(connection)
        await self._publish(connection, self._settings.release(next(self._packet_ids)))
        self._retired = True
        await connection.close(DisconnectPacket(session_expiry_interval=0))
        while True:
            try:
                return await self._filters.save([])
            except OutboxFull as full:
                log.warning("outbox_full", reason=str(full))
                await asyncio.sleep(_LOOK_FOR_ROOM_S)

    async def _empty(self, connection: Connection) -> None:
        """Return when the broker has nothing more for this session."""
        before = -1
        while before != connection.acknowledgements.delivered:
            before = connection.acknowledgements.delivered
            if not await connection.acknowledgements.settled():
                raise ConnectionError(connection.ended.result().reason)
            # the first answer may be that to a PINGREQ of the keepalive; the second one is certainly to ours
            for _ in range(2):
                await connection.ask(PingReqPacket(), PingRespPacket)


def _nothing() -> None:
    """Nobody waits for a connection."""


async def _leave(connection: Connection) -> None:
    """An orderly end: what was taken is acknowledged, so that it is not delivered, and stored, once more."""
    if connection.released:
        connection.stop_reading()
        settled = asyncio.create_task(connection.acknowledgements.settled())
        await asyncio.wait([settled], timeout=_DRAIN_S)
        settled.cancel()
    await connection.close(DisconnectPacket())


def _reason(error: Exception, deadline_s: float) -> str:
    return str(error) or f"no answer within {deadline_s:g} s"
