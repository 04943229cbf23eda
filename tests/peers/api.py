"""`telemetrio api` as operators run it: a process of its own, from settings alone."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from email.message import Message
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.error import HTTPError

from tests.peers.influxdb import free_ports
from tests.peers.waiting import eventually


class Told(NamedTuple):
    """An answer of whatever status."""

    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class ApiProcess:
    """Started and stopped by its pid; its ports and its data directory stay the same."""

    def __init__(self, data_dir: Path, **environment: str) -> None:
        self.port, self._metrics_port = free_ports(2)
        self._command = [sys.executable, "-m", "telemetrio", "api", "--data-dir", str(data_dir)]
        self._environment = {
            "TELEMETRIO_PORT": str(self.port),
            "TELEMETRIO_METRICS_PORT": str(self._metrics_port),
            "TELEMETRIO_MQTT_URL": "mqtt://127.0.0.1:1",
            **environment,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._log = data_dir.with_name(f"{data_dir.name}-api.log")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def peak_mib(self) -> int:
        """The most memory that it had resident, since it was started."""
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) >> 10

    def start(self) -> None:
        """Return when its loop turns; whatever it needs may be away."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, env={**os.environ, **self._environment}
            )
        try:
            eventually(self._alive, 60)
        except BaseException:
            self.stop()
            raise

    def _alive(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log[-3000:]
        try:
            return self.ask("GET", "/healthz").status == 200
        except OSError:  # not listening yet, or listening and not serving yet
            return False

    def ready(self, *, within_s: float = 40.0) -> None:
        eventually(lambda: self.ask("GET", "/readyz").status == 200, within_s)

    def ask(self, method: str, path: str, body: Any = None, *, port: int = 0, **headers: str) -> Told:
        """Whatever it answers."""
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"Content-Type": "application/json", **{name.replace("_", "-"): said for name, said in headers.items()}}
        url = f"http://127.0.0.1:{port or self.port}{path}"
        request = urllib.request.Request(url, data, given, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return Told(answer.status, answer.headers, answer.read())
        except HTTPError as error:
            with error:
                return Told(error.code, error.headers, error.read())

    def get(self, path: str) -> Any:
        """The JSON of a page that must be there."""
        told = self.ask("GET", path)
        assert told.status == 200, told
        return told.json

    def post(self, path: str, body: Any) -> Told:
        return self.ask("POST", path, body)

    @property
    def metrics(self) -> str:
        return self.ask("GET", "/metrics", port=self._metrics_port).body.decode()

    def dependency(self, name: str) -> str:
        """Its state; empty before it was told."""
        told = self.ask("GET", "/readyz").json["dependencies"].get(name)
        return str(told["state"]) if told else ""

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """Kill -9, as a power cut would."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._process = None

    def terminate(self) -> None:
        """SIGTERM; returns at once."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    def wait(self, within_s: float) -> int:
        """Its exit code when it ends."""
        assert self._process is not None
        process, self._process = self._process, None
        try:
            return process.wait(within_s)
        finally:
            process.kill()
            process.wait()

    def stop(self) -> int:
        """SIGTERM; returns the exit code, 0 if it has ended before."""
        if self._process is None:
            return 0
        self.terminate()
        return self.wait(20)
