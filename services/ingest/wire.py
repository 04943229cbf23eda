"""mqtt5's reader, with all that it can raise turned into one error: a broker's bytes are not to be trusted either."""

from typing import Final

import mqtt5
from mqtt5 import DisconnectReasonCode, Packet

from services.ingest.session import MAX_PACKET_BYTES

_MAX_HEADER_BYTES: Final = 5


class Violation(Exception):
    """The broker sent what MQTT 5 doesn't allow; nothing after it can be understood."""

    def __init__(self, detail: str, code: DisconnectReasonCode = DisconnectReasonCode.PROTOCOL_ERROR) -> None:
        super().__init__(detail)
        self.code = code


def read_packet(view: memoryview) -> tuple[Packet, int] | None:
    """The next packet and its length; None while it is incomplete. Raises Violation."""
    try:
        return mqtt5.read(view)
    except IndexError:
        if len(view) >= MAX_PACKET_BYTES + _MAX_HEADER_BYTES:
            code = DisconnectReasonCode.PACKET_TOO_LARGE
            raise Violation(f"a packet of more than {MAX_PACKET_BYTES} bytes", code) from None
        return None
    except ValueError as error:
        raise Violation(str(error), DisconnectReasonCode.MALFORMED_PACKET) from error
    except BaseException as error:
        # a topic of bad UTF-8 panics in mqtt5; the class can't be imported, and is no Exception
        if type(error).__name__ != "PanicException":
            raise
        raise Violation(f"mqtt5 panicked: {error}", DisconnectReasonCode.MALFORMED_PACKET) from error
