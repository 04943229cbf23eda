"""Sockets that listen on the same port of several addresses, bound before anything else starts."""

import errno
import socket
from collections.abc import Sequence
from typing import Final

NO_SUCH_ADDRESS: Final = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
BACKLOG: Final = 1_024
TRIES: Final = 8  # port 0: what is free on the first address may be taken on the next


def listening_sockets(hosts: Sequence[str], port: int) -> list[socket.socket]:
    """One socket for each host that this machine has, all on one port. Raises OSError (EADDRINUSE, EACCES …)."""
    for left in reversed(range(1 if port else TRIES)):
        try:
            return _bind_all(hosts, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not left:
                raise
    raise OSError(errno.EADDRINUSE, "no port is free on all addresses")


def _bind_all(hosts: Sequence[str], port: int) -> list[socket.socket]:
    bound: list[socket.socket] = []
    try:
        for host in hosts:
            try:
                bound.append(_bind(host, port))
            except OSError as error:
                if error.errno not in NO_SUCH_ADDRESS or (host is hosts[-1] and not bound):
                    raise
            if bound:
                port = bound[0].getsockname()[1]
    except OSError:
        for each in bound:
            each.close()
        raise
    return bound


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)  # inherited; for clients without a keepalive
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
        listener.settimeout(0)
    except OSError:
        listener.close()
        raise
    return listener
