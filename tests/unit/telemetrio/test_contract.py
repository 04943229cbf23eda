"""The typed client is of one mind with the server: its types are made from what the server promises."""

from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner

from telemetrio.__main__ import cli
from telemetrio.contract import openapi

CLIENT: Final = Path(__file__).parents[3] / "frontend" / "client" / "src" / "generated"


@pytest.mark.parametrize(("kind", "name"), [("openapi", "routes.ts"), ("ws", "messages.ts")])
def test_the_clients_types_are_fresh(kind: str, name: str) -> None:
    """Whoever changes a route or a message makes the client's types anew, and commits them."""
    printed = CliRunner().invoke(cli, ["schema", kind, "--typescript"])
    assert printed.exit_code == 0, printed.output
    kept = (CLIENT / name).read_text()
    assert kept == printed.output, f"{name} is of an older contract: run `scripts/client`, and commit what it made"


def test_every_route_has_a_type() -> None:
    """By its method and path, as it stands in the description."""
    text = (CLIENT / "routes.ts").read_text()
    names = [f"{method.upper()} {path}" for path, methods in openapi()["paths"].items() for method in methods]
    assert [name for name in names if f'\n  "{name}": {{\n' not in text] == []


def test_there_are_types_of_two_kinds() -> None:
    """AsyncAPI says the same as the JSON Schema: asked for its types, the command says which there are."""
    printed = CliRunner().invoke(cli, ["schema", "asyncapi", "--typescript"])
    assert printed.exit_code == 2
    assert "ws and openapi" in printed.output
