"""JSON Schema as TypeScript types: as much of it as pydantic writes. Pure."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]

_PLAIN = {"string": "string", "integer": "number", "number": "number", "boolean": "boolean", "null": "null"}


@dataclass(frozen=True, slots=True)
class Style:
    """`told`: what a server says. There a key with a default is always present, while who asks may leave it out."""

    told: bool


def type_of(schema: Any, style: Style, depth: int = 0) -> str:
    """The type as one would write it, indented for the depth at which it stands."""
    if not isinstance(schema, Mapping):
        return "unknown"
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "const" in schema:
        return json.dumps(schema["const"])
    if "enum" in schema:
        return union(json.dumps(value) for value in schema["enum"])
    kind = schema.get("type")
    several = schema.get("anyOf") or schema.get("oneOf")
    if isinstance(kind, list):
        several = [{**schema, "type": one} for one in kind]
    if several:
        return union(type_of(one, style, depth) for one in several)
    return _of_kind(kind, schema, style, depth)


def _of_kind(kind: Any, schema: Schema, style: Style, depth: int) -> str:
    if kind == "array":
        if "prefixItems" in schema:
            return f"[{', '.join(type_of(one, style, depth) for one in schema['prefixItems'])}]"
        item = type_of(schema.get("items"), style, depth)
        return f"({item})[]" if " | " in item else f"{item}[]"
    if kind == "object":
        return _object(schema, style, depth)
    return _PLAIN.get(str(kind), "unknown")


def _object(schema: Schema, style: Style, depth: int) -> str:
    properties: Mapping[str, Any] = schema.get("properties", {})
    patterns = list(schema.get("patternProperties", {}).values())
    more = {"anyOf": patterns} if patterns else schema.get("additionalProperties", not properties)
    if not properties:
        return f"Record<string, {type_of(more, style, depth)}>"
    lines = list(_properties(schema, style, depth + 1))
    if more is True:
        lines.append("  " * (depth + 1) + "[key: string]: unknown;")
    elif more:
        known = (type_of(one, style, depth + 1) for one in properties.values())
        lines.append("  " * (depth + 1) + f"[key: string]: {union([type_of(more, style, depth + 1), *known])};")
    return "\n".join(["{", *lines, "  " * depth + "}"])


def _properties(schema: Schema, style: Style, depth: int) -> Iterator[str]:
    required = set(schema.get("required", ()))
    for name, given in schema["properties"].items():
        present = name in required or (style.told and "default" in given)
        yield from comment(given.get("description"), depth)
        yield "  " * depth + f"{key(name)}{'' if present else '?'}: {type_of(given, style, depth)};"


def union(types: Iterable[str]) -> str:
    """Each type once, null last."""
    once = dict.fromkeys(part for kind in types for part in _parts(kind))
    return " | ".join(sorted(once, key=lambda kind: kind == "null"))


def _parts(kind: str) -> list[str]:
    plain = not any(mark in kind for mark in "{[(\"'<")
    return kind.split(" | ") if plain else [kind]


def key(name: str) -> str:
    return name if name.isidentifier() else json.dumps(name)


def comment(text: str | None, depth: int) -> Iterator[str]:
    if not text:
        return
    lines = text.replace("*/", "*\\/").strip().split("\n")
    indent = "  " * depth
    if len(lines) == 1:
        yield f"{indent}/** {lines[0]} */"
        return
    yield from (f"{indent}/**", *(f"{indent} * {line}".rstrip() for line in lines), f"{indent} */")


def declaration(name: str, schema: Schema, style: Style) -> str:
    """An exported interface, or a type where it is no object."""
    body = type_of(schema, style)
    head = f"export interface {name} {body}" if body.startswith("{") else f"export type {name} = {body};"
    return "\n".join([*comment(schema.get("description"), 0), head])


def references(node: Any) -> Iterator[str]:
    """The names that it refers to, itself not followed."""
    if isinstance(node, Mapping):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"].rpartition("/")[2]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)
