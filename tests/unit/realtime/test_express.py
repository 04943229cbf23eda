"""The quick way to a client: the frame that is made once, and when it may not be taken."""

import pytest
from wsproto.connection import Connection, ConnectionType
from wsproto.events import TextMessage

from services.realtime.group import Chunk
from services.realtime.mailbox import Mailbox
from services.realtime.transports.express import express_of, wire


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 200_000])
def test_a_frame_is_what_a_client_expects(size: int) -> None:
    """A client that knows the RFC reads the text back, at each of the three forms of length."""
    client = Connection(ConnectionType.CLIENT)
    for text in ("x" * size, "ü" * (size // 2)):
        client.receive_data(wire(text))
        seen = [event for event in client.events() if isinstance(event, TextMessage)]
        assert "".join(event.data for event in seen) == text
        assert seen[-1].message_finished


def test_there_is_none_beside_hypercorn() -> None:
    """Another server's scope has no connection, and everything goes by ASGI."""
    assert express_of({"type": "websocket", "http_version": "1.1"}) is None
    assert express_of({"type": "websocket", "http_version": "1.1", "state": {"telemetrio.connection": 1}}) is None


def test_readings_overtake_nothing() -> None:
    """While anything waits in the mailbox a reading waits behind it, also when the quick way is free."""
    sent: list[str] = []
    mailbox = Mailbox(10_000, 10_000)
    mailbox.express = lambda frame: not sent.append(frame)  # type: ignore[func-returns-value]
    mailbox.reply("answer")
    mailbox.put(Chunk(["1"], "a"))
    assert sent == []
    assert mailbox.take() == ["answer"]
    mailbox.put(Chunk(["2"], "b"))
    assert mailbox.take() == ['{"type":"readings","cursor":"b","readings":[1,2]}']
    mailbox.put(Chunk(["3"], "c"))
    assert sent == ['{"type":"readings","cursor":"c","readings":[3]}']
    assert (len(mailbox), mailbox.bytes, mailbox.cursor) == (0, 0, "c")


def test_what_can_not_go_at_once_waits() -> None:
    """A client with something still on its way to it gets the reading by the writer."""
    mailbox = Mailbox(10_000, 10_000)
    mailbox.express = lambda _frame: False
    mailbox.put(Chunk(["1"], "a"))
    assert mailbox.take() == ['{"type":"readings","cursor":"a","readings":[1]}']
