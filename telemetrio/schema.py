"""`telemetrio schema`: every message of the live protocols for tools, made from the models that check them."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import TypeAdapter

from services.realtime.protocol import PROTOCOL_VERSION, client_messages, server_messages

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_ABOUT: Final = "What devices measured, live: newest values first, then every reading. docs/protocol.md tells the rest."
_TICKET: Final = {"type": "string", "description": "From POST /api/v1/live/ticket. Not needed in open mode."}
_TEXT: Final = {"type": "string"}


def json_schema() -> dict[str, Any]:
    """JSON Schema of one message, of a client or of the server; each of them is also a definition of its own."""
    given = [("ClientMessage", "validation", client_messages), ("ServerMessage", "validation", server_messages)]
    roots, shared = TypeAdapter.json_schemas(given)  # type: ignore[arg-type] # a list of literals
    sides = {name: {"title": name, **schema} for (name, _), schema in roots.items()}
    return {
        "$schema": DIALECT,
        "title": f"Messages of /ws and /sse, version {PROTOCOL_VERSION}",
        "description": _ABOUT,
        "oneOf": [{"$ref": f"#/$defs/{name}"} for name in sorted(sides)],
        "$defs": dict(sorted({**shared["$defs"], **sides}.items())),
    }


def asyncapi() -> dict[str, Any]:
    """AsyncAPI 3: who says what, where. Operations are told from the server's side, as AsyncAPI wants it."""
    definitions = json_schema()["$defs"]
    schemas = _moved({name: schema for name, schema in definitions.items() if not name.endswith("Message")})
    asked, told = (_names(definitions[side]) for side in ("ClientMessage", "ServerMessage"))
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "telemetrio live", "version": str(PROTOCOL_VERSION), "description": _ABOUT},
        "servers": {"local": {"host": "localhost:5000", "protocol": "ws"}},
        "defaultContentType": "application/json",
        "channels": {
            "ws": _channel("/ws", [*asked, *told], {"ticket": _TICKET}),
            "sse": _channel(
                "/sse",
                told,
                {"devices": _TEXT, "metrics": _TEXT, "since": _TEXT, "rate_hz": {"type": "number"}, "ticket": _TICKET},
            ),
        },
        "operations": {
            "hear": _operation("receive", "ws", asked, "What a client may ask for."),
            "tell": _operation("send", "ws", told, "What a client is told."),
            "stream": _operation("send", "sse", told, "The same as server-sent events, for one subscription."),
        },
        "components": {
            "messages": {name: _message(name, schemas[name]) for name in (*asked, *told)},
            "schemas": schemas,
        },
    }


def _names(side: Mapping[str, Any]) -> list[str]:
    return [str(one["$ref"]).rpartition("/")[2] for one in side["oneOf"]]


def _channel(address: str, names: list[str], query: Mapping[str, Any]) -> dict[str, Any]:
    told = ", ".join(query)
    channel: dict[str, Any] = {
        "address": address,
        "description": f"Parameters of the query: {told}.",
        "messages": {name: {"$ref": f"#/components/messages/{name}"} for name in names},
    }
    if address == "/ws":
        channel["bindings"] = {"ws": {"method": "GET", "query": {"type": "object", "properties": dict(query)}}}
    return channel


def _operation(action: str, channel: str, names: list[str], summary: str) -> dict[str, Any]:
    return {
        "action": action,
        "summary": summary,
        "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in names],
    }


def _message(name: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    told = {"name": schema["properties"]["type"]["const"], "title": name}
    if "description" in schema:
        told["summary"] = schema["description"]
    return {**told, "payload": {"$ref": f"#/components/schemas/{name}"}}


def _moved(schema: Any) -> Any:
    """The same with its references to where AsyncAPI keeps schemas."""
    if isinstance(schema, dict):
        return {
            name: value.replace("#/$defs/", "#/components/schemas/") if name == "$ref" else _moved(value)
            for name, value in schema.items()
        }
    return [_moved(each) for each in schema] if isinstance(schema, list) else schema
