"""An MQTT 5 connection that shows what a library hides: what the broker says of its limits, and each of its answers."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Final, TypeVar, cast

from mqtt5 import (
    ConnAckPacket,
    ConnectPacket,
    DisconnectPacket,
    Packet,
    PingReqPacket,
    PingRespPacket,
    PubAckPacket,
    PublishPacket,
    QoS,
    SubAckPacket,
    SubscribePacket,
    TopicFilter,
)

from services.ingest.session import words
from services.ingest.wire import read_packets
from shared.broker import REFUSED, BrokerSettings, tls_context

_WITHIN_S: Final = 10.0
_QUIET_S: Final = 1.0

P = TypeVar("P", bound=Packet)


class Refused(Exception):
    """The broker answers, and says no."""


class Line:
    """`greeting`: what the broker said to the connection."""

    greeting: ConnAckPacket

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._rest = b""
        self._read: list[Packet] = []

    async def enter(self, settings: BrokerSettings, client_id: str, expiry_s: int, *, fresh: bool) -> None:
        """Raises Refused, and ConnectionError where something else than MQTT 5 answers."""
        address = settings.address
        password = None if address.password is None else address.password.encode()
        self._send(
            ConnectPacket(
                client_id,
                username=address.username,
                password=password,
                clean_start=fresh,
                keep_alive=60,
                session_expiry_interval=expiry_s,
            )
        )
        self.greeting = await self._next(ConnAckPacket)
        if self.greeting.reason_code.value:
            raise Refused(f"the broker refuses the connection: {words(self.greeting.reason_code.name)}")

    async def subscribe(self, pattern: str) -> None:
        """At QoS 1; raises Refused."""
        self._send(SubscribePacket(1, [TopicFilter(pattern, max_qos=QoS.AT_LEAST_ONCE)]))
        (code,) = (await self._next(SubAckPacket)).reason_codes
        if code.value >= REFUSED:
            raise Refused(f"the broker refuses the subscription {pattern}: {words(code.name)}")

    async def publish(self, topic: str, payloads: Iterable[bytes]) -> None:
        """At QoS 1, so many at once as the broker allows; raises Refused."""
        window = asyncio.Semaphore(min(self.greeting.receive_max, 100))
        given = list(payloads)
        sending = asyncio.create_task(self._publish(topic, given, window))
        try:
            for _ in given:
                answer = await self._next(PubAckPacket)
                window.release()
                if answer.reason_code.value >= REFUSED:
                    raise Refused(f"the broker refuses to publish on {topic}: {words(answer.reason_code.name)}")
        finally:
            sending.cancel()

    async def _publish(self, topic: str, payloads: Iterable[bytes], window: asyncio.Semaphore) -> None:
        for number, payload in enumerate(payloads):
            await window.acquire()
            self._send(PublishPacket(topic, payload, qos=QoS.AT_LEAST_ONCE, packet_id=number % 65_000 + 1))

    async def count(self, most: int) -> int:
        """How many messages arrive, until `most` of them have, or none for a while."""
        seen = 0
        while seen < most:
            try:
                async with asyncio.timeout(_QUIET_S):
                    packet = await self._next(PublishPacket)
            except TimeoutError:
                break
            seen += 1
            if packet.packet_id is not None:
                self._send(PubAckPacket(packet.packet_id))
        return seen

    async def ping(self) -> None:
        self._send(PingReqPacket())
        await self._next(PingRespPacket)

    async def leave(self) -> None:
        self._send(DisconnectPacket())
        await self._writer.drain()

    def _send(self, packet: Packet) -> None:
        self._writer.write(packet.write())

    async def _next(self, kind: type[P]) -> P:
        """The next packet of this kind; others before it are left out. Raises OSError, Refused."""
        async with asyncio.timeout(_WITHIN_S):
            while True:
                while self._read:
                    packet = self._read.pop(0)
                    if isinstance(packet, kind):
                        return cast("P", packet)
                    if isinstance(packet, DisconnectPacket):
                        raise Refused(f"the broker disconnects: {words(packet.reason_code.name)}")
                data = await self._reader.read(65_536)
                if not data:
                    raise ConnectionError("the broker closed the connection without a word")
                packets, size, violation = read_packets(self._rest + data)
                if violation is not None:
                    raise ConnectionError(f"what answers there does not speak MQTT 5: {violation}")
                self._rest = (self._rest + data)[size:]
                self._read += packets


@asynccontextmanager
async def connected(
    settings: BrokerSettings, client_id: str, *, expiry_s: int = 0, fresh: bool = True
) -> AsyncIterator[Line]:
    """A connection of this name; raises OSError (TimeoutError is one) and Refused."""
    address = settings.address
    async with asyncio.timeout(_WITHIN_S):
        streams = await asyncio.open_connection(address.host, address.port, ssl=tls_context(settings))
    line = Line(*streams)
    try:
        await line.enter(settings, client_id, expiry_s, fresh=fresh)
        yield line
        await line.leave()
    finally:
        streams[1].transport.abort() if streams[1].transport.is_closing() else streams[1].close()
