"""The end of a connection whose peer takes nothing: an ASGI server that is stuck in a send could not end it itself."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from shared.connection import connection_of
from shared.gate import Scope


def cut(scope: Scope) -> None:
    """End the connection of a request or WebSocket, under whichever server."""
    connection = connection_of(scope)
    if connection is not None:
        connection.sever()
    else:
        sever(scope.get("client"))


def sever(peer: object) -> bool:
    """Shut down this process's connection to `peer`, an ASGI scope's `client`. False: there is none (any more).

    ASGI gives no access to the socket, and Hypercorn's close waits until everything is sent: for ever, if the peer
    reads nothing. So it is found among the open files by its address. That takes milliseconds, and is rarely needed.
    """
    if not isinstance(peer, (tuple, list)):
        return False
    for entry in list(Path("/dev/fd").iterdir()):
        with suppress(OSError), _duplicate(int(entry.name)) as seen:
            if seen.getpeername()[:2] == tuple(peer)[:2]:
                seen.shutdown(socket.SHUT_RDWR)
                return True
    return False


@contextmanager
def _duplicate(number: int) -> Iterator[socket.socket]:
    """A socket object of our own on an open file, whatever owns that; raises OSError if it is no socket."""
    copy = os.dup(number)
    try:
        seen = socket.socket(fileno=copy)
    except OSError:
        os.close(copy)
        raise
    with seen:
        yield seen
