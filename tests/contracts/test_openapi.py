"""The OpenAPI description against the running system: schemathesis asks every route what it allows and forbids."""

import subprocess
import sys
from pathlib import Path

from tests.peers.system import System

_CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
# bounded, and the same each time: a new finding is the change's own
_PLAN = ("--max-examples", "15", "--seed", "1", "--generation-database", "none", "--continue-on-failure", "--no-color")


def findings(system: System, folder: Path, *more: str) -> str:
    """What schemathesis reports; empty when it finds nothing."""
    program = Path(sys.executable).with_name("schemathesis")
    command: list[str | Path] = [
        program,
        "--config-file",
        _CONFIGURATION,
        "run",
        f"{system.http}/openapi.json",
        *_PLAN,
        *more,
    ]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    return done.stdout + done.stderr if done.returncode else ""


def test_an_admin_finds_every_route_as_described(system: System, tmp_path: Path) -> None:
    """Whatever is sent, answers are as the description says, and only what it forbids is refused."""
    report = findings(system, tmp_path)
    assert not report, report
