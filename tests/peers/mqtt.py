"""A raw MQTT 3.1.1 client: says exactly what a test wants to say, also what no library would, and hides no answer."""

import asyncio
import contextlib
from dataclasses import dataclass
from typing import Any, ClassVar, Self

DEADLINE_S = 5.0
CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP = 0x20, 0x30, 0x40, 0x50, 0x60, 0x70
SUBACK, UNSUBACK, PINGRESP = 0x90, 0xB0, 0xD0


@dataclass(frozen=True, slots=True)
class Packet:
    """One packet as it came: type nibble, flags, body."""

    kind: int
    flags: int
    body: bytes

    @property
    def packet_id(self) -> int:
        """Of an acknowledgement."""
        return int.from_bytes(self.body[:2], "big")

    @property
    def topic(self) -> str:
        return self.body[2 : 2 + int.from_bytes(self.body[:2], "big")].decode()

    @property
    def qos(self) -> int:
        return (self.flags >> 1) & 3

    @property
    def publish_id(self) -> bytes:
        """The two bytes after the topic of a PUBLISH of QoS 1 or 2."""
        at = 2 + int.from_bytes(self.body[:2], "big")
        return self.body[at : at + 2]

    @property
    def payload(self) -> bytes:
        return self.body[2 + int.from_bytes(self.body[:2], "big") + (2 if self.qos else 0) :]


def text(value: str) -> bytes:
    raw = value.encode()
    return len(raw).to_bytes(2, "big") + raw


def packet(head: int, body: bytes = b"") -> bytes:
    length, size = bytearray(), len(body)
    while True:
        size, digit = divmod(size, 128)
        length.append(digit | (0x80 if size else 0))
        if not size:
            return bytes([head]) + bytes(length) + body


def publish(topic: str, payload: bytes, qos: int = 0, packet_id: int = 1, *, retain: bool = False) -> bytes:
    head = 0x30 | qos << 1 | retain
    return packet(head, text(topic) + (packet_id.to_bytes(2, "big") if qos else b"") + payload)


@dataclass(frozen=True, slots=True)
class Will:
    """A last will."""

    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False


def connect(
    client_id: str,
    *,
    clean: bool = True,
    keepalive: int = 60,
    will: Will | None = None,
    username: str | None = None,
    password: str | None = None,
) -> bytes:
    flags = 2 if clean else 0
    payload = text(client_id)
    if will:
        flags |= 4 | will.qos << 3 | (0x20 if will.retain else 0)
        payload += text(will.topic) + len(will.payload).to_bytes(2, "big") + will.payload
    for bit, given in ((0x80, username), (0x40, password)):
        if given is not None:
            flags |= bit
            payload += text(given)
    return packet(0x10, text("MQTT") + bytes([4, flags]) + keepalive.to_bytes(2, "big") + payload)


class Client:
    """One TCP connection. Whatever a test leaves open, `cut_all` closes."""

    _open: ClassVar[list["Client"]] = []

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.append(self)
        self._reader = reader
        self._writer = writer
        self._subscriptions = 0

    @classmethod
    async def open(cls, port: int, host: str = "127.0.0.1") -> Self:
        return cls(*await asyncio.open_connection(host, port))

    @classmethod
    async def connected(cls, port: int, client_id: str, **how: Any) -> Self:
        client = await cls.open(port)
        client.send(connect(client_id, **how))
        answer = await client.receive()
        assert (answer.kind, answer.body[1]) == (CONNACK, 0)
        return client

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def drained(self) -> None:
        await self._writer.drain()

    async def receive(self, deadline_s: float = DEADLINE_S) -> Packet:
        """The next packet; raises EOFError at the end of the connection, TimeoutError after the deadline."""
        try:
            async with asyncio.timeout(deadline_s):
                head = (await self._reader.readexactly(1))[0]
                length = shift = 0
                while True:
                    digit = (await self._reader.readexactly(1))[0]
                    length |= (digit & 0x7F) << shift
                    shift += 7
                    if digit < 0x80:
                        break
                return Packet(head & 0xF0, head & 0x0F, await self._reader.readexactly(length))
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise EOFError("the broker closed the connection") from error

    async def subscribe(self, topic_filter: str, qos: int = 0) -> int:
        """The granted QoS, or 0x80."""
        self._subscriptions += 1
        self.send(packet(0x82, self._subscriptions.to_bytes(2, "big") + text(topic_filter) + bytes([qos])))
        answer = await self.receive()
        assert answer.kind == SUBACK
        return answer.body[2]

    async def ping(self, deadline_s: float = DEADLINE_S) -> None:
        """PINGREQ, and the answer must be the next packet: nothing else was under way."""
        self.send(b"\xc0\x00")
        answer = await self.receive(deadline_s)
        assert answer.kind == PINGRESP, answer

    async def closed(self, deadline_s: float = DEADLINE_S) -> None:
        """Wait until the broker has closed; whatever it still sends is ignored."""
        with contextlib.suppress(EOFError):
            while True:
                await self.receive(deadline_s)

    def cut(self) -> None:
        """Leave without DISCONNECT."""
        self._writer.transport.abort()

    @classmethod
    async def cut_all(cls) -> None:
        while cls._open:
            client = cls._open.pop()
            client.cut()
            with contextlib.suppress(OSError):
                await client._writer.wait_closed()
