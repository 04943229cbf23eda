"""The descriptions for tools: fresh, whole, and of one mind with the messages that are really sent."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import pytest
from click.testing import CliRunner

from telemetrio.__main__ import cli
from telemetrio.schema import asyncapi, json_schema

ROOT: Final = Path(__file__).parents[3]
PAYLOADS: Final = sorted((ROOT / "tests" / "payloads").glob("ws-*.json"), key=lambda path: path.name)


@pytest.mark.parametrize("kind", ["ws", "asyncapi"])
def test_what_is_kept_is_what_is_printed(kind: str) -> None:
    """docs/schemas has what `telemetrio schema` prints: made anew with every change of a message."""
    printed = CliRunner().invoke(cli, ["schema", kind])
    assert printed.exit_code == 0
    assert (ROOT / "docs" / "schemas" / f"{kind}.json").read_text() == printed.output


@pytest.mark.parametrize("path", PAYLOADS, ids=lambda path: path.name)
def test_every_example_is_valid(path: Path) -> None:
    """An example of docs/protocol.md fits the schema of its side, and no longer does with a field too many."""
    side = "ClientMessage" if path.name.startswith("ws-client-") else "ServerMessage"
    schema = json_schema()
    del schema["oneOf"]
    check = jsonschema_rs.validator_for({**schema, "$ref": f"#/$defs/{side}"})
    message = json.loads(path.read_text())
    check.validate(message)
    assert not check.is_valid({**message, "surplus": 1})
    assert jsonschema_rs.validator_for(json_schema()).is_valid(message)


def test_every_example_is_a_message_of_asyncapi() -> None:
    """Each type of the examples is a message there, and its payload's schema takes the example."""
    told = asyncapi()
    by_name = {message["name"]: message["payload"] for message in told["components"]["messages"].values()}
    for path in PAYLOADS:
        message = json.loads(path.read_text())
        jsonschema_rs.validator_for({**told, **by_name[message["type"]]}).validate(message)
    assert set(by_name) == {json.loads(path.read_text())["type"] for path in PAYLOADS}


@pytest.mark.parametrize("document", [json_schema(), asyncapi()], ids=["ws", "asyncapi"])
def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    """Nothing points to a definition that there isn't."""
    for reference in references(document):
        found: Any = document
        for step in re.sub("^#/", "", reference).split("/"):
            found = found[step]


def references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)
