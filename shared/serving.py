"""Serving an ASGI app by Hypercorn on sockets of our own, and what to say when a port can't be had."""

import errno
import os
import socket
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from hypercorn.asyncio import serve
from hypercorn.config import Config

from shared import connection
from shared.gate import ASGI3
from shared.listeners import BACKLOG
from shared.process import ExitCode, Refusal

_USUAL_HOLDERS: Final = {
    5000: "on a Mac often AirPlay Receiver, elsewhere another Flask or telemetrio",
    1883: "usually Mosquitto, or another telemetrio",
}


def port_taken(error: OSError, port: int, flag: str) -> Refusal:
    """What to say, and to do, when a port can't be had."""
    if error.errno == errno.EADDRINUSE:
        holder = f" ({_USUAL_HOLDERS[port]})" if port in _USUAL_HOLDERS else ""
        return Refusal(f"port {port} is taken{holder}: stop that, or choose another with {flag}", ExitCode.PORT_TAKEN)
    if error.errno == errno.EACCES:
        return Refusal(
            f"port {port} may not be used by this user: choose one above 1023 with {flag}", ExitCode.PORT_TAKEN
        )
    # of the address as well as of the port: that name is no host, this machine has no such address
    mend = f"choose another address by the host that is set beside it, or another port with {flag}"
    return Refusal(f"port {port}: {error.strerror or error}; {mend}", ExitCode.PORT_TAKEN)


async def serve_web(app: ASGI3, sockets: Sequence[socket.socket], drained: Callable[[], Awaitable[object]]) -> None:
    """Serve until `drained` returns: by then every open stream has been ended, or Hypercorn would wait for it."""
    connection.install()
    config = Config()
    config.bind = [f"fd://{os.dup(each.fileno())}" for each in sockets]  # Hypercorn closes what it is given
    config.keep_alive_timeout = 75  # longer than a proxy's, so that the proxy is the one that closes
    config.graceful_timeout = 1.0
    config.accesslog = None
    config.errorlog = "-"
    config.loglevel = "WARNING"
    config.websocket_max_message_size = 128 * 1024  # realtime says at 64 KiB what was too large
    config.backlog = BACKLOG
    config.include_server_header = False
    await serve(app, config, shutdown_trigger=drained)  # type: ignore[arg-type] # its own TypedDicts for ASGI
