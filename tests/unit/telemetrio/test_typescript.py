"""JSON Schema as TypeScript."""

from typing import Any

import pytest

from telemetrio.typescript import Style, declaration, references, type_of

TOLD, ASKED = Style(told=True), Style(told=False)
NUMBERS = {"type": "object", "additionalProperties": {"type": "number"}}


@pytest.mark.parametrize(
    ("schema", "written"),
    [
        ({"type": "integer"}, "number"),
        ({"type": ["string", "null"]}, "string | null"),
        ({"const": "*"}, '"*"'),
        ({"enum": ["asc", "desc"]}, '"asc" | "desc"'),
        ({"anyOf": [{"type": "null"}, {"type": "integer"}, {"type": "number"}]}, "number | null"),
        ({"type": "array", "items": {"anyOf": [{"type": "string"}, {"type": "boolean"}]}}, "(string | boolean)[]"),
        ({"type": "array", "prefixItems": [{"type": "string"}, {"type": "number"}]}, "[string, number]"),
        ({"$ref": "#/components/schemas/Device"}, "Device"),
        (NUMBERS, "Record<string, number>"),
        ({"type": "object", "patternProperties": {"^a": {"type": "boolean"}}}, "Record<string, boolean>"),
        ({"type": "object"}, "Record<string, unknown>"),
        ({}, "unknown"),
        (True, "unknown"),
    ],
)
def test_a_schema_is_written_as_one_would(schema: Any, written: str) -> None:
    """Each form that pydantic writes has its TypeScript."""
    assert type_of(schema, TOLD) == written


def test_a_key_with_a_default_is_always_told_and_need_not_be_asked() -> None:
    """An answer has it in any case; who asks may leave it out."""
    schema = {"type": "object", "properties": {"a": {"type": "string", "default": "x"}, "b-c": {"type": "null"}}}
    assert type_of(schema, TOLD) == '{\n  a: string;\n  "b-c"?: null;\n}'
    assert type_of(schema, ASKED) == '{\n  a?: string;\n  "b-c"?: null;\n}'


def test_other_keys_fit_beside_the_known_ones() -> None:
    """The type of further keys takes in those that are known, else TypeScript would refuse it."""
    row = {"type": "object", "properties": {"time": {"type": "string"}}, "additionalProperties": {"type": "number"}}
    assert type_of(row, ASKED) == "{\n  time?: string;\n  [key: string]: number | string;\n}"


def test_what_a_schema_says_of_itself_is_the_comment() -> None:
    """A description can't end the comment that it stands in."""
    told = declaration("Both", {"type": "object", "properties": {}, "description": "One\n\nTwo */ three"}, TOLD)
    assert told == "/**\n * One\n *\n * Two *\\/ three\n */\nexport type Both = Record<string, unknown>;"


def test_references_are_found_wherever_they_are() -> None:
    """Also below lists and mappings."""
    schema = {"a": [{"$ref": "#/$defs/One"}], "b": {"c": {"$ref": "#/$defs/Two"}}}
    assert list(references(schema)) == ["One", "Two"]
