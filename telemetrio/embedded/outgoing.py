"""Outgoing: what one subscriber is sent, with a bound on all that it has not taken yet.

amqtt keeps a task per message that waits for its socket and for its acknowledgement, without a bound, and gives up a
QoS 1 message after five seconds. Here nothing waits: QoS 0 is left out, and for QoS 1 and 2 the connection ends.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

from amqtt.session import OutgoingApplicationMessage, Session

from telemetrio.embedded.frames import BadFrame, Publish, write_publish
from telemetrio.embedded.retained import Retained
from telemetrio.embedded.wires import Outlet

MAX_OUTSTANDING: Final = 1_000  # messages of QoS 1 and 2 that a subscriber has not acknowledged
MAX_OUTSTANDING_BYTES: Final = 4 * 1024 * 1024
MAX_REPLAY: Final = 20_000  # retained messages that wait for room
REPLAY_EVERY_S: Final = 0.05
PUBREL: Final = b"\x62\x02"

log = logging.getLogger(__name__)


class Outgoing:
    """The messages of one subscriber. Unacknowledged ones belong to its session, and outlive the connection with it."""

    def __init__(self, session: Session, outlet: Outlet, cut: Callable[[], None], dropped: Callable[[], None]) -> None:
        self._session = session
        self._outlet = outlet
        self._cut = cut
        self._dropped = dropped
        self._bytes = sum(len(message.data) for message in session.inflight_out.values())
        self._replay: deque[tuple[str, int]] = deque()

    def resume(self) -> None:
        """Send again what the session's last connection did not acknowledge: PUBREL after PUBREC, else a duplicate."""
        for packet_id, message in self._session.inflight_out.items():
            if message.pubrec_packet:
                self._outlet.write(PUBREL + packet_id.to_bytes(2, "big"))
            else:
                self._outlet.write(message.build_publish_packet(dup=True).to_bytes())

    def send(self, message: Publish, encoded: bytes = b"") -> None:
        """`encoded` is the packet of a QoS 0 message, made once for all subscribers."""
        if self._outlet.is_closed:
            return
        if message.qos:
            self._send_acknowledged(message)
        elif self._outlet.full:
            self._dropped()
        else:
            self._outlet.write(encoded or write_publish(message))

    def _send_acknowledged(self, message: Publish) -> None:
        waiting = self._session.inflight_out
        if self._outlet.full or len(waiting) >= MAX_OUTSTANDING or self._bytes > MAX_OUTSTANDING_BYTES:
            log.warning("subscriber %s takes too little: closed", self._session.client_id)
            self._cut()
            return
        packet_id = self._session.next_packet_id
        waiting[packet_id] = OutgoingApplicationMessage(
            packet_id, message.topic, message.qos, message.payload, message.retain
        )
        self._bytes += len(message.payload)
        self._outlet.write(write_publish(message._replace(packet_id=packet_id)))

    def acknowledged(self, packet_id: int) -> None:
        """PUBACK or PUBCOMP."""
        if message := self._session.inflight_out.pop(packet_id, None):
            self._bytes -= len(message.data)

    def received(self, packet_id: int) -> None:
        """PUBREC: the message is theirs, and must be released; also an unknown one, or they would wait for ever."""
        if message := self._session.inflight_out.get(packet_id):
            message.pubrec_packet = True
        self._outlet.write(PUBREL + packet_id.to_bytes(2, "big"))

    def replay(self, topics: Iterable[str], qos: int, retained: Retained) -> None:
        """Send retained messages, as fast as they are taken: a new subscriber of a large fleet is not too slow."""
        idle = not self._replay
        self._replay.extend((topic, qos) for topic in topics)
        if len(self._replay) > MAX_REPLAY:
            raise BadFrame("subscribes faster than it takes retained messages")
        if idle:
            self._replay_on(retained)

    def _replay_on(self, retained: Retained) -> None:
        while self._replay and not self._outlet.is_closed:
            if self._outlet.full or len(self._session.inflight_out) >= MAX_OUTSTANDING // 2:
                asyncio.get_running_loop().call_later(REPLAY_EVERY_S, self._replay_on, retained)
                return
            topic, granted = self._replay.popleft()
            if message := retained.get(topic):  # as it is now: it may have changed while this waited
                self.send(message._replace(qos=min(message.qos, granted)))
