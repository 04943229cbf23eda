"""deploy/ as it is, copied to a place of its own, brought up by Debian's docker-compose on stand-in images."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.compose.engine import Engine
from tests.peers.influxdb import free_ports
from tests.peers.outside import Outside
from tests.peers.programs import ROOT
from tests.peers.waiting import eventually

PROJECT: Final = "telemetrio-test"
SERVICES: Final = ("api", "ingest", "realtime", "broker", "store", "database", "proxy")
_ENVIRONMENT: Final = {
    "PYTHON_IMAGE": "stand-in:python",
    "NODE_IMAGE": "stand-in:node",
    "BROKER_IMAGE": "stand-in:broker",
    "STORE_IMAGE": "stand-in:store",
    "DATABASE_IMAGE": "stand-in:database",
    "PROXY_IMAGE": "stand-in:proxy",
    "PROMETHEUS_IMAGE": "stand-in:prometheus",
    "TELEMETRIO_VERSION": "under-test",
}


class Stack:
    """`folder`: becomes a copy of the repository, with secrets of its own in deploy/."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self.engine = engine
        self.deploy = folder / "deploy"
        self.seen = ""
        self._environment = {**engine.environment, "COMPOSE_PROJECT_NAME": PROJECT}
        _copy(folder)
        http, https, self._mqtts = free_ports(3)
        setup = [sys.executable, str(self.deploy / "setup"), "127.0.0.1", "--https-port", str(https)]
        subprocess.run(setup, check=True, capture_output=True)
        given = {**_ENVIRONMENT, "HTTP_PORT": str(http), "MQTTS_PORT": str(self._mqtts)}
        with (self.deploy / ".env").open("a") as file:
            file.writelines(f"{name}={value}\n" for name, value in given.items())
        self.outside = Outside(f"https://127.0.0.1:{https}", self._mqtts, self.deploy / "secrets" / "ca.pem")

    def compose(
        self, *words: str, program: tuple[str, ...] = ("docker-compose",), within_s: float = 900, typed: str = ""
    ) -> str:
        """What it wrote to standard output; it must succeed. `typed`: its standard input."""
        ran = subprocess.run(
            [*program, *words],
            cwd=self.deploy,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=within_s,
            input=typed,
        )
        assert ran.returncode == 0, f"{words}: {ran.stdout[-3000:]}{ran.stderr[-3000:]}"
        return ran.stdout

    def warnings(self, *words: str, program: tuple[str, ...]) -> str:
        """What it wrote to standard error, where errors and warnings go."""
        ran = subprocess.run(
            [*program, *words], cwd=self.deploy, env=self._environment, capture_output=True, text=True, check=False
        )
        assert ran.returncode == 0, ran.stderr
        return ran.stderr

    @contextmanager
    def variable(self, name: str, value: str) -> Iterator[None]:
        """As if it stood in .env."""
        self._environment[name] = value
        try:
            yield
        finally:
            del self._environment[name]

    def up(self) -> None:
        """Return when every service can do its job."""
        self.compose("up", "-d", "--build", within_s=1800)
        self.healthy()

    def down(self, *words: str) -> None:
        self.compose("down", "-t", "25", *words)

    def container(self, service: str) -> str:
        return self.compose("ps", "-q", service).split()[0]

    def state(self, service: str) -> dict[str, Any]:
        told: dict[str, Any] = self.engine.inspect(self.container(service))["State"]
        return told

    def healthy(self, within_s: float = 180) -> None:
        try:
            self._until_healthy(within_s)
        except AssertionError as error:
            raise AssertionError(f"{self.seen[:3000]}\n{self.compose('logs', '--no-color', '--tail=20')}") from error

    def _until_healthy(self, within_s: float) -> None:
        for service in SERVICES:
            eventually(partial(self._well, service), within_s)
        eventually(self._answers, within_s)

    def _well(self, service: str) -> bool:
        state = self.state(service)
        self.seen = f"{service}: {state}"
        return bool(state["Running"]) and state.get("Health", {}).get("Status", "healthy") == "healthy"

    def _answers(self) -> bool:
        try:
            return self.outside.ask("GET", "/api/v1/health")[0] == 200
        except OSError:
            return False

    def crash(self, service: str) -> None:
        """Kill -9 of its process: what Docker itself kills is not started again. Return when another one runs."""
        before = self.state(service)["Pid"]
        os.kill(before, signal.SIGKILL)
        eventually(lambda: self.state(service)["Pid"] not in (0, before), 60)

    def first_password(self) -> str:
        found = re.search(r"\blogin \S+ (\S+)", self.compose("logs", "--no-color", "api"))
        assert found
        return found[1]

    def ask_inside(self, service: str, *urls: str) -> list[Any]:
        """The JSON of pages that only containers reach."""
        script = "import json, sys, urllib.request as web; urls = json.load(sys.stdin)\n"
        script += "print(json.dumps([json.load(web.urlopen(url, timeout=10)) for url in urls]))"
        told = self.compose("exec", "-T", service, "python3", "-c", script, typed=json.dumps(urls))
        answers: list[Any] = json.loads(told)
        return answers


def _copy(folder: Path) -> None:
    """What is, or would be, in git."""
    asked = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, place)
