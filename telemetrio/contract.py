"""What programs rely on, as TypeScript for frontend/client: the routes from OpenAPI, the messages from JSON Schema."""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, cast

from quart import Quart

from services.api.app import create_app
from services.api.openapi import description
from services.api.resources import Resources
from services.api.settings import ApiSettings
from shared.database.engine import open_engine
from shared.health import Health
from shared.timeseries.sqlite import SqliteStore
from telemetrio import __version__
from telemetrio.schema import json_schema
from telemetrio.typescript import Style, comment, declaration, key, references, type_of

_HEADER: Final = "// Made by scripts/client from {source}. Don't edit: change the source, and run it again.\n"
_JSON: Final = "application/json"
_NOWHERE: Final = Path("/nonexistent")
_ASKED, _TOLD = Style(told=False), Style(told=True)


def openapi() -> dict[str, Any]:
    """The description of the API, from its code: nothing is opened and nothing runs."""
    engine = open_engine(f"sqlite+aiosqlite:///{_NOWHERE / 'none.db'}")
    store = SqliteStore(_NOWHERE / "none.db")
    settings = ApiSettings(_env_file=None)
    return asyncio.run(_described(create_app(Resources(settings, engine, store, Health(), __version__, _NOWHERE))))


async def _described(app: Quart) -> dict[str, Any]:
    async with app.app_context():
        return cast("dict[str, Any]", json.loads(json.dumps(description())))  # as clients read it: keys are text


def message_types() -> str:
    """Every message of `/ws`."""
    definitions = json_schema()["$defs"]
    asked = set(_followed(definitions["ClientMessage"], definitions))
    blocks = (declaration(name, one, _style(name in asked)) for name, one in definitions.items())
    return _file("docs/schemas/ws.json", blocks)


def route_types() -> str:
    """Every route: what it takes, and what it answers."""
    described = openapi()
    components: Mapping[str, Any] = described["components"]["schemas"]
    operations = {
        f"{method.upper()} {path}": operation
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    }
    bodies = [operation.get("requestBody", {}) for operation in operations.values()]
    asked = {name for body in bodies for name in _followed(body, components)}
    named = (declaration(name, schema, _style(name in asked)) for name, schema in sorted(components.items()))
    routes = "\n".join(line for name, one in sorted(operations.items()) for line in _route(name, one, components))
    table = f"/** By method and path. */\nexport interface Routes {{\n{routes}\n}}"
    return _file("the OpenAPI description", ['import type { Upload } from "../upload.js";', *named, table])


def _style(asked: bool) -> Style:  # noqa: FBT001 - said by its name
    return _ASKED if asked else _TOLD


def _file(source: str, blocks: Any) -> str:
    return _HEADER.format(source=source) + "\n" + "\n\n".join(blocks) + "\n"


def _followed(node: Any, definitions: Mapping[str, Any]) -> set[str]:
    """All that it refers to, and what that refers to."""
    found: set[str] = set()
    waiting = list(references(node))
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting.extend(references(definitions[name]))
    return found


def _route(name: str, operation: Mapping[str, Any], components: Mapping[str, Any]) -> Iterator[str]:
    yield from comment(operation.get("summary"), 1)
    yield f"  {key(name)}: {{"
    inside = re.findall(r"{(\w+)}", name)
    if inside:
        yield f"    path: {{ {'; '.join(f'{one}: string | number' for one in inside)} }};"
    asked = [one for one in operation.get("parameters", ()) if one["in"] == "query"]
    if asked:
        properties = {one["name"]: {**one["schema"], "description": one.get("description")} for one in asked}
        required = [one["name"] for one in asked if one.get("required")]
        query = {"type": "object", "properties": _without_null(properties), "required": required}
        yield f"    query{'' if required else '?'}: {type_of(query, _ASKED, 2)};"
    if "requestBody" in operation:
        body = operation["requestBody"]
        yield f"    body{'' if body.get('required') else '?'}: {_body(body['content'], components)};"
    yield f"    answer: {_answer(operation['responses'], components)};"
    yield "  };"


def _without_null(properties: Mapping[str, Any]) -> dict[str, Any]:
    """A query has no null: what is not given is left out."""
    return {name: _not_null(schema) for name, schema in properties.items()}


def _not_null(schema: Mapping[str, Any]) -> dict[str, Any]:
    given = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    return {**schema, "anyOf": given} if given else dict(schema)


def _body(content: Mapping[str, Any], components: Mapping[str, Any]) -> str:
    if _JSON in content:
        return _shown(content[_JSON]["schema"], components, _ASKED)
    return f"Upload<{' | '.join(map(json.dumps, content))}>"


def _answer(responses: Mapping[str, Any], components: Mapping[str, Any]) -> str:
    """`Response`, to be read as one likes, where it is no JSON; undefined where there is nothing to read."""
    kinds: dict[str, None] = {}
    for status, response in responses.items():
        if not status.startswith("2"):
            continue
        content = response.get("content", {})
        if _JSON in content:
            kinds[_shown(content[_JSON]["schema"], components, _TOLD)] = None
        else:
            kinds["Response" if content else "undefined"] = None
    return " | ".join(kinds)


def _shown(schema: Any, components: Mapping[str, Any], style: Style) -> str:
    """By its name where it is one of the components, which OpenAPI spells out at the top of an answer."""
    same = [name for name, component in components.items() if component == schema]
    return same[0] if same else type_of(schema, style, 2)
