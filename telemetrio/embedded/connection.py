"""Connection: one client of the embedded broker. It reads in order, answers after the disk, and waits for nobody.

amqtt's handler makes a task of every packet and answers at once. Here a PUBLISH becomes a Delivery, and its answer is
what `Delivery.ack` does: no task and no future per message, so nothing can leak when the connection ends first.
"""

import asyncio
import time
from collections import deque
from typing import Final, Protocol

from amqtt.adapters import BufferReader
from amqtt.broker import BrokerContext
from amqtt.errors import AMQTTError, NoDataError
from amqtt.mqtt.packet import MQTTFixedHeader
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.mqtt.subscribe import SubscribePacket
from amqtt.mqtt.unsubscribe import UnsubscribePacket
from amqtt.plugins.manager import PluginManager
from amqtt.session import Session

from services.ingest.delivery import Delivery, Intake
from telemetrio.embedded.frames import BadFrame, Publish, read_packet_id, read_publish
from telemetrio.embedded.outgoing import Outgoing
from telemetrio.embedded.wires import Inlet, Outlet

MAX_UNANSWERED: Final = 2_000  # deliveries of one connection that ingest has and that are not on disk yet
UNRELEASED: Final = "telemetrio.unreleased"
ANSWER: Final = {1: b"\x40\x02", 2: b"\x50\x02"}
PINGRESP: Final = b"\xd0\x00"
GRACE_S: Final = 0.1


class BrokerSide(Protocol):
    """What a connection needs of the broker."""

    plugins_manager: PluginManager[BrokerContext]
    intake: Intake

    def admits(self, session: Session, message: Publish) -> bool: ...
    def is_telemetry(self, topic: str) -> bool: ...
    def distribute(self, message: Publish) -> None: ...
    async def subscribe(self, connection: "Connection", packet: SubscribePacket) -> None: ...
    async def unsubscribe(self, connection: "Connection", packet: UnsubscribePacket) -> None: ...
    def dropped(self) -> None: ...


class Receipt:
    """One PUBLISH between its arrival and its answer; it outlives its connection where the session does."""

    __slots__ = ("answer", "connection", "message", "on_disk")

    def __init__(self, connection: "Connection", message: Publish) -> None:
        self.connection = connection
        self.message: Publish | None = message
        self.answer = ANSWER[message.qos] + message.packet_id.to_bytes(2, "big") if message.qos else b""
        self.on_disk = False

    def commit(self, _: int = 1) -> None:
        """Called when the message is on disk: now others may see it, and now the device may forget it."""
        message, self.message, self.on_disk = self.message, None, True
        self.connection.settle(message)


class Connection(BrokerProtocolHandler):
    """amqtt's handler of one client, with the incoming and the outgoing flows replaced."""

    def __init__(self, exchange: BrokerSide, inlet: Inlet, outlet: Outlet) -> None:
        super().__init__(exchange.plugins_manager)
        self.client_id: str | None = None
        self.ended = asyncio.Event()
        self.inlet, self.outlet = inlet, outlet
        self.outgoing: Outgoing | None = None  # from CONNACK on
        self._exchange = exchange
        self._clock = asyncio.get_running_loop()
        self._receipts: deque[Receipt] = deque()
        self._open = 0
        self._below: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = None
        self._paused = self._aborted = self._suspect = False
        self._heard = 0.0
        self._watchdog: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Begin to watch the keepalive; send again what the session's last connection did not acknowledge."""
        self._task = asyncio.current_task()
        self._heard = self._clock.time()
        if self._session.keep_alive:
            self._watch()
        self.outgoing = Outgoing(self._session, self.outlet, self.abort, self._exchange.dropped)
        self.outgoing.resume()

    async def stop(self) -> None:
        if self._watchdog:
            self._watchdog.cancel()
        await super().stop()
        await self.outlet.close()

    def abort(self) -> None:
        """End it now, whatever it waits for; `read` returns as if the peer had gone."""
        self._aborted = True
        self.outlet.abort()
        if self._paused and self._task:
            self._paused = False  # once: `_listen` takes one cancellation back, and any other for the broker's end
            self._task.cancel()

    @property
    def _sending(self) -> Outgoing:
        if self.outgoing is None:
            raise AMQTTError("not started yet")
        return self.outgoing

    @property
    def _session(self) -> Session:
        if self.session is None:
            raise AMQTTError("no session yet")
        return self.session

    # ---- reading

    async def read(self) -> bool:
        """Act on packet after packet until the end: True after DISCONNECT, False for any other end."""
        try:
            while True:
                for head, body in self.inlet.ready:
                    await self._listen()
                    if self._aborted or head == 0xE0:
                        return not self._aborted
                    if head & 0xF0 == 0x30:
                        self._take(read_publish(head, body))
                    else:
                        await self._control(head, body)
                if not await self.inlet.more():
                    return False
        except (BadFrame, NoDataError, OSError) as error:
            self.logger.info("connection of %s ended: %s", self._session.client_id, error)
            return False

    async def _listen(self) -> None:
        """Read no further while ingest is full. Time in which we don't listen is no silence of the client."""
        self._paused = True
        try:
            await self._exchange.intake.room()
            while self._open >= MAX_UNANSWERED:
                self._below = self._clock.create_future()
                await self._below
        except asyncio.CancelledError:
            if not self._aborted or self._task is None or self._task.uncancel():
                raise
        finally:
            self._paused = self._suspect = False
            self._heard = self._clock.time()

    def _watch(self) -> None:
        """End a connection that was silent for 1.5 x keepalive (amqtt's timeout does nothing)."""
        limit = 1.5 * self._session.keep_alive
        left = limit if self._paused else self._heard + limit - self._clock.time()
        if left <= 0 and self._suspect:
            self.handle_read_timeout()
            return
        if left <= 0:  # a loop that was busy may have its packet in hand: look again
            self._suspect, left = True, GRACE_S
        self._watchdog = self._clock.call_later(left, self._watch)

    def handle_read_timeout(self) -> None:
        self.abort()

    # ---- what the client publishes

    def _take(self, message: Publish) -> None:
        unreleased: dict[int, Receipt] = self._session.attributes.setdefault(UNRELEASED, {})
        if message.qos == 2 and (known := unreleased.get(message.packet_id)):
            self._answer_again(known)
            return
        admitted = self._exchange.admits(self._session, message)  # may end the connection: nothing is kept of it then
        receipt = Receipt(self, message)
        if message.qos:
            self._receipts.append(receipt)
        if message.qos == 2:
            unreleased[message.packet_id] = receipt
        self._open += 1
        if not admitted:
            receipt.message = None  # 3.1.1 knows no refusal: it is acknowledged, and goes nowhere
            receipt.commit()
        elif self._exchange.is_telemetry(message.topic):
            delivery = Delivery([(message.topic, message.payload)], time.time_ns(), receipt.commit)
            self._exchange.intake.offer(delivery, len(message.payload))
        else:
            receipt.commit()

    def settle(self, message: Publish | None) -> None:
        """Distribute what came to disk, and answer in order of receipt."""
        self._open -= 1
        if message is not None:
            self._exchange.distribute(message)
        receipts = self._receipts
        while receipts and receipts[0].on_disk:
            self.outlet.write(receipts.popleft().answer)
        if self._below is not None and self._open < MAX_UNANSWERED and not self._below.done():
            self._below.set_result(None)

    def _answer_again(self, known: Receipt) -> None:
        """A QoS 2 message that was not released is not taken twice: PUBREC again, but not before the disk either."""
        if known.on_disk:
            self._receipts.append(known)
            self._open += 1
            self.settle(None)
        elif known.connection is not self:  # it came by a connection that is gone, and is still on its way to disk
            known.connection = self
            self._open += 1
            self._receipts.append(known)

    # ---- all other packets

    async def _control(self, head: int, body: bytes) -> None:
        if head == 0xC0:
            self.outlet.write(PINGRESP)
        elif head in {0x40, 0x70}:
            self._sending.acknowledged(read_packet_id(body))
        elif head == 0x50:
            self._sending.received(read_packet_id(body))
        elif head == 0x62:  # also an unknown one: the client asks until it gets PUBCOMP
            self._session.attributes.get(UNRELEASED, {}).pop(read_packet_id(body), None)
            self.outlet.write(b"\x70\x02" + body)
        elif head in {0x82, 0xA2} and len(body) > 4:
            await self._subscriptions(head, body)
        else:
            raise BadFrame(f"packet 0x{head:02x}")

    async def _subscriptions(self, head: int, body: bytes) -> None:
        header, stream = MQTTFixedHeader(head >> 4, head & 15, len(body)), BufferReader(body)
        if head == 0x82:
            packet = await SubscribePacket.from_stream(stream, fixed_header=header)
            await self._exchange.subscribe(self, packet)
        else:
            await self._exchange.unsubscribe(self, await UnsubscribePacket.from_stream(stream, fixed_header=header))
