"""Sockets that listen on the same port of several addresses, bound before anything else starts."""

import errno
import socket
from collections.abc import Sequence
from typing import Final

NO_SUCH_ADDRESS: Final = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
BACKLOG: Final = 1_024
DEAD_AFTER_S: Final = 18
"""A peer that acknowledges nothing for so long is gone.

With a heartbeat every 20 s to a silent client it is noticed within 38 s, whatever was on its way when it vanished.
"""
TRIES: Final = 8  # port 0: what is free on the first address may be taken on the next


def listening_sockets(hosts: Sequence[str], port: int, dead_after_s: int = DEAD_AFTER_S) -> list[socket.socket]:
    """One socket for each host that this machine has, all on one port. Raises OSError (EADDRINUSE, EACCES …)."""
    for left in reversed(range(1 if port else TRIES)):
        try:
            bound = _bind_all(hosts, port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or not left:
                raise
            continue
        for each in bound:
            _end_dead_peers(each, dead_after_s)
        return bound
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
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
        listener.settimeout(0)
    except OSError:
        listener.close()
        raise
    return listener


def _end_dead_peers(listener: socket.socket, dead_after_s: int) -> None:
    """What it accepts inherits this: silent connections are asked, and those whose peer says nothing are ended."""
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    asked_s = max(1, dead_after_s // 3)
    times = {"TCP_KEEPIDLE": asked_s, "TCP_KEEPINTVL": asked_s, "TCP_USER_TIMEOUT": dead_after_s * 1000}
    for name, value in times.items():
        if hasattr(socket, name):  # elsewhere than on Linux the system's own times hold
            listener.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
