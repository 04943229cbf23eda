"""One port on several addresses, or an error that says which."""

import errno
import socket

import pytest

from shared.listeners import listening_sockets


def test_port_0_is_the_same_free_port_on_every_address() -> None:
    """So that `localhost` works whichever address a browser tries first."""
    sockets = listening_sockets(("127.0.0.1", "::1"), 0)
    ports = {each.getsockname()[1] for each in sockets}
    for each in sockets:
        each.close()
    assert len(ports) == 1
    assert 1 <= len(sockets) <= 2


def test_a_taken_port_is_an_error_and_leaves_nothing_open() -> None:
    """EADDRINUSE, also when only one of the addresses is taken."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        with pytest.raises(OSError, match="in use") as caught:
            listening_sockets(("127.0.0.1",), port)
    assert caught.value.errno == errno.EADDRINUSE
    socket.create_server(("127.0.0.1", port)).close()


def test_a_machine_without_an_address_serves_the_others() -> None:
    """No IPv6 is no reason not to start."""
    sockets = listening_sockets(("127.0.0.1", "2001:db8::1"), 0)
    for each in sockets:
        each.close()
    assert [each.family for each in sockets] == [socket.AF_INET]
