"""How a stream is refused before it begins: by HTTP in the API's error shape, or by a close where it must be."""

from typing import Any

import orjson
import pytest

from services.realtime.transports.refusal import refuse
from services.realtime.transports.websocket import WebSocketEndpoint


async def answers(scope: dict[str, Any], status: int) -> list[Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await refuse({"headers": [], **scope}, send, status, "Come back later")
    return sent


@pytest.mark.parametrize(
    ("scope", "kind"),
    [
        ({"type": "http"}, "http.response"),
        ({"type": "websocket", "extensions": {"websocket.http.response": {}}}, "websocket.http.response"),
    ],
)
async def test_a_refusal_has_the_shape_of_every_error(scope: dict[str, Any], kind: str) -> None:
    """Status, code, message and a request id; 503 says when to come back."""
    start, body = await answers(scope, 503)
    assert (start["type"], start["status"]) == (f"{kind}.start", 503)
    assert dict(start["headers"])[b"retry-after"] == b"1"
    told = orjson.loads(body["body"])
    assert (told["error"], told["status"], told["code"]) == ("Come back later", 503, "restarting")
    assert told["request_id"]


async def test_a_server_without_http_answers_closes() -> None:
    """1013: overloaded, come back."""
    (closed,) = await answers({"type": "websocket"}, 503)
    assert (closed["type"], closed["code"]) == ("websocket.close", 1013)


def test_the_endpoint_is_an_asgi_app() -> None:
    """It is called like one; the integration tests drive it through a real server."""
    assert callable(WebSocketEndpoint)
