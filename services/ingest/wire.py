"""mqtt5's reader, with all that it can raise turned into one error: a broker's bytes are not to be trusted either."""

from typing import Final, NamedTuple

import mqtt5
from mqtt5 import DisconnectReasonCode, Packet

from services.ingest.session import MAX_PACKET_BYTES

_MAX_HEADER_BYTES: Final = 5


class Violation(Exception):
    """The broker sent what MQTT 5 doesn't allow; nothing after it can be understood."""

    def __init__(self, detail: str, code: DisconnectReasonCode = DisconnectReasonCode.PROTOCOL_ERROR) -> None:
        super().__init__(detail)
        self.code = code


class Packets(NamedTuple):
    """Every whole packet, how many bytes they were, and what makes the bytes after them no packet, if anything."""

    packets: list[Packet]
    size: int
    violation: Violation | None = None


def read_packets(data: bytes) -> Packets:
    """Read until the bytes end; a packet that has only begun is left for the next time."""
    view, at, end, read = memoryview(data), 0, len(data), mqtt5.read
    packets: list[Packet] = []
    try:
        while at < end:
            packet, size = read(view[at:])
            at += size
            packets.append(packet)
    except IndexError:
        if end - at >= MAX_PACKET_BYTES + _MAX_HEADER_BYTES:
            code = DisconnectReasonCode.PACKET_TOO_LARGE
            return Packets(packets, at, Violation(f"a packet of more than {MAX_PACKET_BYTES} bytes", code))
    except ValueError as error:
        return Packets(packets, at, Violation(str(error), DisconnectReasonCode.MALFORMED_PACKET))
    except BaseException as error:
        # a topic of bad UTF-8 panics in mqtt5; the class can't be imported, and is no Exception
        if type(error).__name__ != "PanicException":
            raise
        return Packets(packets, at, Violation(f"mqtt5 panicked: {error}", DisconnectReasonCode.MALFORMED_PACKET))
    return Packets(packets, at)
