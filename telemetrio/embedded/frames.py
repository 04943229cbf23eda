"""Frames: the bytes of a TCP stream -> whole MQTT 3.1.1 packets, and PUBLISH packets -> values. Pure.

amqtt decodes from the stream itself: it reads a body of any size, and a packet whose inner lengths lie takes bytes of
its successor. Here a packet is whole before anything looks into it.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from amqtt.errors import MQTTError
from amqtt.mqtt.publish import PublishPacket

MAX_PACKET_BYTES: Final = 1024 * 1024

Frame = tuple[int, bytes]  # the first byte (type and flags), and the body


class BadFrame(MQTTError):
    """The client broke the protocol or a limit: its connection ends."""


class Publish(NamedTuple):
    """One application message; `packet_id` is 0 for QoS 0."""

    topic: str
    payload: bytes
    qos: int
    retain: bool
    packet_id: int = 0


class Frames:
    """What has arrived of a connection and is no whole packet yet: never more than one packet and one read."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._wanted = 0

    def split(self, data: bytes) -> Iterator[Frame]:
        """All packets that `data` completes; to be exhausted before the next call. Raises BadFrame."""
        if self._rest:
            self._rest += data
            if len(self._rest) < self._wanted:  # a body that trickles in is not copied for every byte of it
                return
            data = bytes(self._rest)
        self._rest.clear()
        start = 0
        while start < len(data):
            begin, end = _body(data, start)
            if end > len(data):
                self._rest += data[start:]
                self._wanted = end - start
                return
            yield data[start], data[begin:end]
            start = end


def _body(data: bytes, start: int) -> tuple[int, int]:
    """Where the body of the packet at `start` begins and ends; one byte beyond what is there if its length isn't."""
    length = 0
    for digit, at in enumerate(range(start + 1, start + 5)):
        if at >= len(data):
            return at, len(data) + 1
        length |= (data[at] & 0x7F) << (7 * digit)
        if data[at] < 0x80:
            if length > MAX_PACKET_BYTES:
                raise BadFrame(f"a packet of {length} bytes, over {MAX_PACKET_BYTES}")
            return at + 1, at + 1 + length
    raise BadFrame("a remaining length of more than four bytes")


def read_publish(head: int, body: bytes) -> Publish:
    """Raises BadFrame for whatever MQTT 3.1.1 answers by closing: wildcards, bad UTF-8, QoS 3, packet id 0."""
    qos = (head >> 1) & 3
    at = 2 + int.from_bytes(body[:2], "big")
    begin = at + 2 if qos else at
    if qos == 3 or begin > len(body):
        raise BadFrame("a malformed PUBLISH")
    try:
        topic = body[2:at].decode()
    except UnicodeDecodeError as error:
        raise BadFrame("a topic that is not UTF-8") from error
    if not is_topic(topic):
        raise BadFrame("a topic that is empty or has a wildcard")
    packet_id = int.from_bytes(body[at:begin], "big")
    if qos and not packet_id:
        raise BadFrame("packet id 0")
    return Publish(topic, body[begin:], qos, bool(head & 1), packet_id)


def is_topic(topic: str) -> bool:
    """Whether a message may bear it: not empty, no wildcard, no NUL."""
    return bool(topic) and "+" not in topic and "#" not in topic and "\0" not in topic


def write_publish(message: Publish, *, dup: bool = False) -> bytes:
    packet_id = message.packet_id or None
    packet = PublishPacket.build(message.topic, message.payload, packet_id, dup, message.qos, message.retain)
    encoded: bytes = packet.to_bytes()
    return encoded


def read_packet_id(body: bytes) -> int:
    if len(body) != 2:
        raise BadFrame("an acknowledgement without a packet id")
    return int.from_bytes(body, "big")
