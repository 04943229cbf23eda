"""What carries a session, and the codes by which one ends, whatever carries it."""

from enum import IntEnum
from typing import Protocol


class CloseCode(IntEnum):
    """Why a session ended, as the client sees it; docs/protocol.md says what to do about each."""

    GONE = 1000
    TOO_BIG = 1009
    FAILED = 1011
    RESTART = 1012
    OVERLOADED = 1013
    BAD_MESSAGE = 4400
    UNKNOWN = 4401
    FORBIDDEN = 4403
    NO_LOGIN = 4408
    TOO_MANY = 4429
    TOO_SLOW = 4503


class Transport(Protocol):
    """What carries a session: a WebSocket, a stream of server-sent events, or Socket.IO."""

    async def receive(self) -> str | bytes | None:
        """The next message of the client; None: it is gone."""

    async def send(self, frame: str) -> None:
        """Returns once the next may be sent: a client that does not read keeps this waiting."""

    async def close(self, code: int, reason: str, /) -> None: ...
