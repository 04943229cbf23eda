"""A broker that says what it is told to, also what no broker should say; and a transport that remembers."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self

import mqtt5
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
    SubAckReasonCode,
    SubscribePacket,
    UnsubAckPacket,
    UnsubAckReasonCode,
    UnsubscribePacket,
)


def _granted(qos: QoS) -> SubAckReasonCode:
    if qos == QoS.AT_MOST_ONCE:
        return SubAckReasonCode.GRANTED_QOS_AT_MOST_ONCE
    return SubAckReasonCode.GRANTED_QOS_AT_LEAST_ONCE


class Transport(asyncio.Transport):
    """Goes nowhere; remembers every write, and whether it is read from."""

    def __init__(self) -> None:
        super().__init__()
        self.writes: list[bytes] = []
        self._reading = True
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.writes.append(bytes(data))

    def is_reading(self) -> bool:
        return self._reading

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = True


class FakeBroker:
    """Answers as a broker with no session; `answers` change that, `after` says more once all is subscribed."""

    def __init__(self, after: Callable[["FakeBroker"], Awaitable[None]] | None = None) -> None:
        self._after = after
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self.answers: dict[type[object], list[Packet] | None] = {}
        self.received: list[Packet] = []
        self.port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def of(self, kind: type[Packet]) -> list[Packet]:
        """What was received of one type."""
        return [packet for packet in self.received if type(packet) is kind]

    @property
    def farewells(self) -> list[int]:
        return [packet.reason_code.value for packet in self.received if isinstance(packet, DisconnectPacket)]

    def say(self, data: bytes) -> None:
        """To the last client."""
        self._writers[-1].write(data)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.append(writer)
        rest = b""
        while data := await reader.read(65_536):
            rest += data
            while rest:
                try:
                    packet, size = mqtt5.read(memoryview(rest))
                except IndexError:
                    break
                rest = rest[size:]
                self.received.append(packet)
                await self._answer(packet, writer)

    async def _answer(self, packet: Packet, writer: asyncio.StreamWriter) -> None:
        given = self.answers[type(packet)] if type(packet) in self.answers else _usual(packet)
        for answer in given or []:
            writer.write(answer.write())
        if isinstance(packet, PingReqPacket) and self._after is not None:
            await self._after(self)


def _usual(packet: Packet) -> list[Packet]:
    match packet:
        case ConnectPacket():
            return [ConnAckPacket()]
        case PublishPacket(packet_id=int(packet_id)):
            return [PubAckPacket(packet_id)]
        case SubscribePacket():
            return [SubAckPacket(packet.packet_id, [_granted(one.max_qos) for one in packet.topic_filters])]
        case UnsubscribePacket():
            return [UnsubAckPacket(packet.packet_id, [UnsubAckReasonCode.SUCCESS for _ in packet.patterns])]
        case PingReqPacket():
            return [PingRespPacket()]
        case _:
            return []
