"""The TypeScript client as a program in Node uses it, on a running `telemetrio up`, fed over real MQTT."""

import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.peers.programs import PEERS, ROOT
from tests.peers.system import System
from tests.peers.waiting import eventually

pytestmark = [pytest.mark.peer("node"), pytest.mark.peer("dashboard")]

BUILT: Final = ROOT / "telemetrio" / "web" / "client.js"
WITHIN_S: Final = 30.0
PROGRAM: Final = Path(__file__).with_name("client.mjs")


class Program:
    """A Node that imports the built client, and writes a line of JSON for each event."""

    def __init__(self, folder: Path, system: System, *words: str) -> None:
        node = PEERS["node"]()
        assert node is not None
        self._log = folder / "events.ndjson"
        shutil.copy(BUILT, folder / "client.mjs")
        shutil.copy(PROGRAM, folder / "program.mjs")
        command = [str(node), *sockets(node), str(folder / "program.mjs"), system.http, *words]
        with self._log.open("w") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)

    @property
    def events(self) -> list[dict[str, Any]]:
        text = self._log.read_text()
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    @property
    def phases(self) -> list[str]:
        return [event["state"]["phase"] for event in self.events if event["type"] == "state"]

    @property
    def numbers(self) -> Counter[float]:
        """How often the reading with each number was told."""
        told = [one for event in self.events if event["type"] == "readings" for one in event["readings"]]
        return Counter(one["values"]["number"] for one in told)

    def ended(self) -> int:
        return self._process.wait(WITHIN_S)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(WITHIN_S)


def sockets(node: Path) -> list[str]:
    """What a Node before 22 must be told, to have a WebSocket."""
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    (major,) = re.findall(r"\d+", answer)[:1]
    return ["--experimental-websocket"] if int(major) < 22 else []


@contextmanager
def running(folder: Path, system: System, *words: str) -> Iterator[Program]:
    program = Program(folder, system, *words)
    try:
        yield program
    finally:
        program.stop()


def publish(system: System, *numbers: int) -> None:
    for number in numbers:
        system.publish("iot/devices/counter/data", json.dumps({"number": number}))


def test_every_reading_comes_once_across_restarts(system: System, tmp_path: Path) -> None:
    """While it listens, while the server is away, before it has heard any: each reading is told exactly once."""
    with running(tmp_path, system) as program:
        eventually(lambda: any(event["type"] == "snapshot" for event in program.events), WITHIN_S)
        system.restart()  # a stream that has been quiet so far has a place to come back to all the same
        publish(system, *range(5))
        eventually(lambda: set(program.numbers) == set(range(5)), WITHIN_S)
        publish(system, *range(5, 10))
        system.kill()
        system.start()
        publish(system, *range(10, 15))
        eventually(lambda: set(program.numbers) == set(range(15)), WITHIN_S)
        eventually(lambda: program.phases.count("live") == 3, WITHIN_S)
        assert program.numbers == Counter(range(15))


def test_a_program_logs_in_and_is_told_when_it_may_not(tmp_path: Path) -> None:
    """With an API key it lists devices over HTTP and hears them live; without, the stream ends and says why."""
    guarded = System(tmp_path / "data", TELEMETRIO_AUTH="required")
    guarded.start()
    try:
        key = api_key(guarded)
        (tmp_path / "in").mkdir()
        (tmp_path / "out").mkdir()
        with running(tmp_path / "in", guarded, key) as program:
            eventually(lambda: "live" in program.phases, WITHIN_S)
            publish(guarded, 1)
            eventually(lambda: 1 in program.numbers, WITHIN_S)
            assert [event for event in program.events if event["type"] == "devices"] == [
                {"type": "devices", "count": 0}
            ]
        with running(tmp_path / "out", guarded, "none") as program:
            assert program.ended() == 1
            assert program.events[-1]["code"] == 4401
    finally:
        guarded.stop()


def api_key(system: System) -> str:
    (line,) = (line for line in system.said if line.startswith("login "))
    email, first = line.split()[1:3]
    password = "a sentence of the operator"  # noqa: S105 - of a test
    token = log_in(system, email, first)
    change = {"current_password": first, "new_password": password}
    assert system.request("POST", "/api/v1/auth/password", change, Authorization=f"Bearer {token}")[0] == 204
    asked = {"name": "program", "scopes": ["read", "write", "live"]}
    token = log_in(system, email, password)
    status, told = system.request("POST", "/api/v1/api-keys", asked, Authorization=f"Bearer {token}")
    assert status == 201, told
    return str(told["key"])


def log_in(system: System, email: str, password: str) -> str:
    _, told = system.request("POST", "/api/v1/auth/login", {"email": email, "password": password})
    return str(told["access_token"])
