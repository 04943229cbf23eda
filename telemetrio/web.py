"""One web port for everything: paths to the app that serves them."""

from collections.abc import Mapping

from shared.gate import ASGI3, Receive, Scope, Send


class ByPath:
    """Sends a path, and what lies below it, to its own app; everything else, with the lifespan, to `default`."""

    def __init__(self, default: ASGI3, apps: Mapping[str, ASGI3]) -> None:
        self._default = default
        self._apps = dict(apps)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        first = "/" + scope.get("path", "/").lstrip("/").partition("/")[0]
        await self._apps.get(first, self._default)(scope, receive, send)
