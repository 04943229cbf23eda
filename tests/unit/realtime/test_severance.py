"""The end of a connection from outside of whoever owns it."""

import socket

from services.realtime.transports.severance import sever


def test_only_the_named_connection_is_severed() -> None:
    """Its peer reads the end; its neighbour, from the same listener, lives on."""
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        socket.create_connection(listener.getsockname()) as one,
        socket.create_connection(listener.getsockname()) as other,
    ):
        accepted = [listener.accept()[0], listener.accept()[0]]
        assert sever(one.getsockname())
        assert one.recv(1) == b""
        accepted[1].sendall(b"x")
        assert other.recv(1) == b"x"
        for connection in accepted:
            connection.close()


def test_a_peer_that_is_nobodys_is_no_error() -> None:
    """Scopes may lack a client, and connections may be gone already."""
    assert not sever(None)
    assert not sever(("127.0.0.1", 1))
    assert not sever(["::1", 1])
