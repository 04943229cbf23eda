"""One connection to the broker: bytes to deliveries, acknowledgements back, and the decision that it is dead.

What a connection delivered is acknowledged on it or not at all: packet ids mean nothing on the next one.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, TypeVar, cast

from mqtt5 import DisconnectPacket, Packet, PingReqPacket, PingRespPacket, PublishPacket, QoS

from services.ingest.acknowledgements import Acknowledgements, Remembered
from services.ingest.delivery import MAX_WAITING, MAX_WAITING_BYTES, Delivery, Intake
from services.ingest.session import words
from services.ingest.stages import counted
from services.ingest.wire import Violation, read_packets

_MAX_HELD_BYTES: Final = 8 * 1024 * 1024
_EXACTLY_ONCE: Final = QoS.EXACTLY_ONCE
_CLOSE_S: Final = 1.0

A = TypeVar("A", bound=Packet)


class End(NamedTuple):
    """Why a connection ended. `violated`: by what the broker sent, so it will probably send it again."""

    reason: str
    violated: bool = False


@dataclass(slots=True)
class Tally:
    """What is counted over all connections of a process."""

    messages: int = 0
    duplicates: int = 0
    violations: int = 0
    pauses: int = 0
    connections: int = 0
    sessions_lost: int = 0


class Connection(asyncio.Protocol):
    """Holds what arrives until `release()`: before that it isn't certain whose session this is.

    `known`: what the connection before delivered. `own`: a topic, and who hears what is said there.
    """

    def __init__(self, intake: Intake, tally: Tally, known: Remembered, own: "OwnTopic") -> None:
        self._loop = asyncio.get_running_loop()
        self._intake = intake
        self._tally = tally
        self._own_topic, self._own = own
        self.acknowledgements = Acknowledgements(self._write, known)
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._held: list[Delivery] | None = []
        self._waiting_bytes = 0
        self._answers: dict[type[object], asyncio.Future[Packet]] = {}
        self._resuming: asyncio.Task[None] | None = None
        self._heard = True
        self._closed: asyncio.Future[None] = self._loop.create_future()
        self.ended: asyncio.Future[End] = self._loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass

    def connection_lost(self, exc: Exception | None) -> None:
        self.end(f"the connection was lost: {exc or 'closed by the broker'}")
        self._closed.set_result(None)

    @counted("receive")
    def data_received(self, data: bytes) -> None:
        if self.ended.done():
            return
        self._heard = True
        if self._held is None and not len(self._intake):
            self._waiting_bytes = 0
        try:
            self._take(self._rest + data if self._rest else data)
        except Violation as violation:
            self._tally.violations += 1
            self._write(DisconnectPacket(reason_code=violation.code).write())
            self.end(f"the broker broke the protocol: {violation}", violated=True)
            return
        self._keep_bounds(len(data))

    def _take(self, data: bytes) -> None:
        """Every whole packet, in order; the bytes of a packet that has only begun are kept. Raises Violation."""
        packets, size, violation = read_packets(data)
        messages: list[PublishPacket] = []
        try:
            for packet in packets:
                if type(packet) is PublishPacket:
                    messages.append(packet)
                else:
                    self._answer(packet)
        finally:
            if messages:  # what came before a violation is sound
                self._deliver(messages, size)
        if violation is not None:
            raise violation
        self._rest = data[size:]

    def _deliver(self, packets: Sequence[PublishPacket], size: int) -> None:
        """The hot path: packets of `size` bytes. Raises Violation where one must not be; those before it count."""
        now_ns, own, violation = time.time_ns(), self._own_topic, None
        kept: list[PublishPacket] = []
        messages: list[tuple[str, bytes]] = []
        ids: list[int] = []
        for packet in packets:
            message, packet_id = (packet.topic, packet.payload), packet.packet_id
            if packet_id is None:
                if message[0] == own:
                    self._own(self, message[1])
                    continue
                packet_id = 0
            elif not packet_id or packet.qos is _EXACTLY_ONCE:
                violation = Violation(f"a message with packet id {packet_id} and QoS {packet.qos.value}")
                break
            kept.append(packet)
            messages.append(message)
            ids.append(packet_id)
        if messages:
            repeated = self.acknowledgements.expect(ids, messages, kept)
            delivery = Delivery(messages, now_ns, self.acknowledgements.acknowledge, repeated)
            if self._held is None:
                self._intake.offer(delivery, size)
            else:
                self._held.append(delivery)
            self._tally.duplicates += len(repeated)
            self._tally.messages += len(messages)
        if violation is not None:
            raise violation

    def _answer(self, packet: Packet) -> None:
        if isinstance(packet, DisconnectPacket):
            said = packet.reason_str or words(packet.reason_code.name)
            self.end(f"the broker disconnects: {said}")
            return
        future = self._answers.pop(type(packet), None)
        if future is not None:
            if not future.done():
                future.set_result(packet)
        elif not isinstance(packet, PingRespPacket):
            raise Violation(f"{type(packet).__name__} without a question")

    def release(self) -> None:
        """The session is ours: hand over what arrived meanwhile, in order, and hold nothing from now on."""
        if self.ended.done():
            return
        held, self._held = self._held or [], None
        for delivery in held:
            self._intake.offer(delivery)

    @property
    def released(self) -> bool:
        return self._held is None

    def remembered(self) -> Remembered:
        """What the broker may deliver again. What was only held never reached the intake: that must come again."""
        return self.acknowledgements.remembered(handed_over=self.released)

    def _keep_bounds(self, arrived: int) -> None:
        """Stop reading while the intake is full. Nothing else offers to it, so what waits there can be counted here."""
        self._waiting_bytes += arrived
        if not self.released:
            if self._waiting_bytes >= _MAX_HELD_BYTES:  # safe as well, only less tidy where it isn't our session
                self.release()
        elif self._waiting_bytes >= MAX_WAITING_BYTES or len(self._intake) >= MAX_WAITING:
            self._pause()

    def _pause(self) -> None:
        if self._resuming is None and self._transport is not None:
            self._tally.pauses += 1
            self._transport.pause_reading()
            self._resuming = self._loop.create_task(self._resume(self._transport), name="resume reading")

    async def _resume(self, transport: asyncio.Transport) -> None:
        await self._intake.room()
        self._resuming = None
        self._heard = True  # it was us who didn't listen
        if not self.ended.done():
            transport.resume_reading()

    def _write(self, data: bytes) -> None:
        if self._transport is not None and not self.ended.done():
            self._transport.write(data)

    async def ask(self, question: Packet, answer: type[A]) -> A:
        """Send, and wait for the answer of that type; raises ConnectionError when the connection ends first."""
        if self.ended.done():
            raise ConnectionError(self.ended.result().reason)
        future: asyncio.Future[Packet] = self._loop.create_future()
        self._answers[answer] = future
        self._write(question.write())
        return cast("A", await future)

    async def keep_alive(self, keepalive_s: float) -> None:
        """Ask for a sign of life every half keepalive, whatever else is sent; end the connection that gives none."""
        asked = False
        while True:
            await asyncio.sleep(keepalive_s / 2)
            await asyncio.sleep(0)  # a loop that was held up reads what waits before it calls the broker dead
            if asked and not self._heard and self._resuming is None:
                self.end(f"the broker was silent for {keepalive_s:g} s")
                return
            asked, self._heard = True, False
            self._write(PingReqPacket().write())

    def end(self, reason: str, *, violated: bool = False) -> None:
        """It is over, for the first reason given; `close()` lets go of the socket."""
        if self.ended.done():
            return
        self.ended.set_result(End(reason, violated))
        for future in self._answers.values():
            if not future.done():
                future.set_exception(ConnectionError(reason))
        self.acknowledgements.end()
        if self._resuming is not None:
            self._resuming.cancel()

    def stop_reading(self) -> None:
        """Take nothing more; what was taken can still be acknowledged."""
        if self._resuming is not None:
            self._resuming.cancel()
        if self._transport is not None and not self.ended.done():
            self._transport.pause_reading()

    async def close(self, farewell: DisconnectPacket | None = None) -> None:
        """Send what is still to be sent, and let go of the socket; a peer that doesn't take it is not waited for."""
        if self._transport is None:
            return
        if farewell is not None:
            self._write(farewell.write())
        self.end("closed by us")
        self._transport.close()
        await asyncio.wait([self._closed], timeout=_CLOSE_S)
        if not self._closed.done():
            self._transport.abort()
            await self._closed


OwnTopic = tuple[str, Callable[[Connection, bytes], None]]
