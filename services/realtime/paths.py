"""The paths of the live streams, on a port that has others, too."""

from collections.abc import Mapping

from services.realtime.app import Realtime
from shared.gate import ASGI3, Receive, Scope, Send


class Paths:
    """Plain ASGI: a path, and what lies below it, to its own app; everything else, with the lifespan, to `default`.

    `beside`: apps of other paths.
    """

    def __init__(self, realtime: Realtime, default: ASGI3, beside: Mapping[str, ASGI3] | None = None) -> None:
        self._apps: dict[str, ASGI3] = {
            "/ws": realtime.asgi_ws,
            "/sse": realtime.asgi_sse,
            "/socket.io": realtime.asgi_socketio,
            **(beside or {}),
        }
        self._default = default

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        first = "/" + scope.get("path", "/").lstrip("/").partition("/")[0]
        await self._apps.get(first, self._default)(scope, receive, send)
