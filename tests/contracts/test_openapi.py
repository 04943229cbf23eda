"""The OpenAPI description against the running system: schemathesis asks every route what it allows and forbids."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.peers.system import System

_CONFIGURATION: Final = Path(__file__).with_name("schemathesis.toml")
_HOOKS: Final = {"SCHEMATHESIS_HOOKS": "hooks", "PYTHONPATH": str(_CONFIGURATION.parent)}
# bounded, and the same each time: a new finding is the change's own
_PLAN: Final = ("--seed", "1", "--generation-database", "none", "--continue-on-failure", "--no-color")
_WHOLE: Final = ("--max-examples", "3")
# without the edges of every parameter, two and a half thousand requests, and without what follows from an answer
_BRIEFLY: Final = ("--phases", "examples,fuzzing", "--max-examples", "2")
_PASSWORD: Final = "a sentence of the operator"  # noqa: S105 - of a test
_USER: Final = {"email": "ann@example.org", "name": "Ann", "role": "user", "password": _PASSWORD}


def findings(system: System, folder: Path, *more: str) -> str:
    """What schemathesis reports; empty when it finds nothing."""
    program = Path(sys.executable).with_name("schemathesis")
    command: list[str | Path] = [program, "--config-file", _CONFIGURATION, "run", f"{system.http}/openapi.json"]
    environment = {**os.environ, **_HOOKS}
    done = subprocess.run(
        [*command, *_PLAN, *more], cwd=folder, env=environment, capture_output=True, text=True, timeout=280, check=False
    )
    return done.stdout + done.stderr if done.returncode else ""


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[System]:
    """A system with accounts, which doesn't mind being asked a hundred times a second."""
    limits: dict[str, Any] = {"TELEMETRIO_REQUESTS_PER_S": "100000", "TELEMETRIO_REQUEST_BURST": "100000"}
    running = System(tmp_path / "data", TELEMETRIO_AUTH="required", **limits)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def tokens(guarded: System) -> dict[str, str]:
    """One for each role."""
    (line,) = (line for line in guarded.said if line.startswith("login "))
    email, password = line.split()[1:3]
    change = {"current_password": password, "new_password": _PASSWORD}
    first = {"Authorization": f"Bearer {log_in(guarded, email, password)}"}
    assert guarded.request("POST", "/api/v1/auth/password", change, **first)[0] == 204
    admin = log_in(guarded, email, _PASSWORD)
    added: Any = guarded.request("POST", "/api/v1/users", _USER, Authorization=f"Bearer {admin}")
    assert added[0] == 201, added
    return {"admin": admin, "user": log_in(guarded, _USER["email"], _PASSWORD)}


def log_in(system: System, email: str, password: str) -> str:
    status, told = system.request("POST", "/api/v1/auth/login", {"email": email, "password": password})
    assert status == 200, told
    return str(told["access_token"])


@pytest.mark.long
def test_where_all_is_open_every_route_is_as_described(system: System, tmp_path: Path) -> None:
    """Whatever is sent, answers are as the description says, and only what it forbids is refused."""
    report = findings(system, tmp_path, "--max-examples", "20")
    assert not report, report


@pytest.mark.parametrize(
    ("role", "plan"),
    [
        pytest.param("admin", _BRIEFLY, id="admin, briefly"),
        pytest.param("admin", _WHOLE, id="admin", marks=pytest.mark.long),
        pytest.param("user", _WHOLE, id="user", marks=pytest.mark.long),
    ],
)
def test_every_route_is_as_described(
    guarded: System, tokens: dict[str, str], tmp_path: Path, role: str, plan: tuple[str, ...]
) -> None:
    """The same for whoever has logged in; and without the token nothing is answered."""
    report = findings(guarded, tmp_path, *plan, "-H", f"Authorization: Bearer {tokens[role]}")
    assert not report, report
