"""The paths of a realtime that is a process of its own; everything else, with the lifespan, is its health pages'."""

from services.realtime.app import Realtime
from shared.gate import ASGI3, Receive, Scope, Send


class Paths:
    """Plain ASGI."""

    def __init__(self, realtime: Realtime, pages: ASGI3) -> None:
        self._apps: dict[str, ASGI3] = {
            "/ws": realtime.asgi_ws,
            "/sse": realtime.asgi_sse,
            "/socket.io": realtime.asgi_socketio,
        }
        self._pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        first = "/" + scope.get("path", "/").lstrip("/").partition("/")[0]
        await self._apps.get(first, self._pages)(scope, receive, send)
