"""What supervisors ask a process: does its loop turn, can it do its job, and its figures. Plain ASGI."""

from collections.abc import Callable, Mapping
from typing import Any

import orjson

from shared.gate import ASGI3, Receive, Scope, Send, is_local
from shared.health import Health
from shared.times import iso_ns


class HealthPages:
    """`/healthz`, `/readyz` (503 while a needed dependency is down), `/metrics`, and `more` pages of JSON by path.

    What exactly a server or driver said stands in `detail`, for programs on the same machine alone: it names hosts.
    """

    def __init__(
        self, health: Health, metrics: ASGI3, more: Mapping[str, Callable[[], Mapping[str, Any]]] | None = None
    ) -> None:
        self._health = health
        self._metrics = metrics
        self._more = dict(more or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _lifespan(receive, send)
        elif scope["type"] == "http" and scope["path"] == "/metrics":
            await self._metrics(scope, receive, send)
        elif scope["type"] == "http":
            status, told = self._answer(scope["path"], told_why=is_local(scope))
            headers = [(b"content-type", b"application/json"), (b"cache-control", b"no-store")]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": orjson.dumps(told)})
        else:
            await send({"type": "websocket.close", "code": 1008})

    def _answer(self, path: str, *, told_why: bool) -> tuple[int, Any]:
        match path:
            case "/healthz":
                return 200, {"status": "alive"}
            case "/readyz":
                return (200 if self._health.ready else 503), {
                    "ready": self._health.ready,
                    "dependencies": told(self._health, told_why=told_why),
                }
        if path in self._more:
            return 200, self._more[path]()
        text = f"There is {', '.join(['/healthz', '/readyz', *self._more])} and /metrics"
        return 404, {"error": text, "message": text, "status": 404, "code": "not_found", "details": []}


def told(health: Health, *, told_why: bool) -> dict[str, Any]:
    """Each dependency by name; `told_why`: with what exactly is the matter, which isn't for everybody."""
    return {
        name: {
            "state": seen.state,
            "since": iso_ns(seen.since_ns),
            "detail": seen.detail if told_why else "",
            "needed": seen.needed,
        }
        for name, seen in sorted(health.snapshot().items())
    }


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
