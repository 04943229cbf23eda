"""How a raw endpoint refuses a connection: by an HTTP answer in the error shape of the API."""

from typing import Final

import orjson

from shared.gate import Header, Scope, Send, request_id

_CODES: Final = {
    400: "bad_query",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    426: "upgrade_required",
    429: "too_many_connections",
    503: "restarting",
}
_HEADERS: Final[dict[int, list[Header]]] = {
    401: [(b"www-authenticate", b"Bearer")],
    405: [(b"allow", b"GET")],
    426: [(b"upgrade", b"websocket"), (b"connection", b"upgrade")],
    429: [(b"retry-after", b"10")],
    503: [(b"retry-after", b"1")],
}


async def refuse(scope: Scope, send: Send, status: int, error: str) -> None:
    """Answer a request, or a WebSocket handshake of which `websocket.connect` was received."""
    kind = "http.response"
    if scope["type"] == "websocket":
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": 1013, "reason": error})
            return
        kind = "websocket.http.response"
    given = next((value.decode("latin1") for name, value in scope["headers"] if name == b"x-request-id"), None)
    told = {"error": error, "message": error, "status": status, "code": _CODES[status], "details": []}
    body = orjson.dumps({**told, "request_id": request_id(given)})
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += _HEADERS.get(status, [])
    await send({"type": f"{kind}.start", "status": status, "headers": headers})
    await send({"type": f"{kind}.body", "body": body})
