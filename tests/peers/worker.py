"""`telemetrio ingest` as operators run it: a process of its own, between a real broker and a real store."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

from tests.peers.mosquitto import free_port
from tests.peers.waiting import eventually


class Worker:
    """Started, killed and stopped by its pid; the health port and the data directory stay the same."""

    def __init__(self, data_dir: Path, **environment: str) -> None:
        self.data_dir = data_dir
        self._port = free_port()
        self._environment = {"TELEMETRIO_HEALTH_PORT": str(self._port), **environment}
        self._process: subprocess.Popen[bytes] | None = None
        self._log = data_dir.with_suffix(".log")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def url(self) -> str:
        """Of its health port."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def peak_mib(self) -> int:
        """The most memory that it had resident, since it was started."""
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) >> 10

    def start(self) -> None:
        """Return when its loop turns; the broker may be away. One that doesn't come up is not left behind."""
        self.launch()
        try:
            eventually(self._alive, 60)
        except BaseException:
            self.kill()
            raise

    def launch(self, *flags: str) -> None:
        """Return at once: with `--retire` it may end before anybody asks for its health."""
        command = [sys.executable, "-m", "telemetrio", "ingest", "--data-dir", str(self.data_dir), *flags]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **self._environment})

    def _alive(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log[-3000:]
        try:
            return bool(self.get("/healthz")["status"] == "alive")
        except OSError:  # not listening yet, or listening and not serving yet
            return False

    def get(self, path: str) -> Any:
        """A page of its health server, whatever its status; raises OSError while there is none."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=5) as answer:
                return json.load(answer)
        except HTTPError as error:
            with error:
                return json.load(error)
        except HTTPException as error:  # it was killed in the middle of its answer
            raise ConnectionResetError(f"{path}: {error}") from error

    def dependency(self, name: str) -> str:
        """`ok` or `down`; empty before it was told."""
        told = self.get("/readyz")["dependencies"].get(name)
        return str(told["state"]) if told else ""

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> int:
        """SIGTERM; returns the exit code."""
        return self._end(signal.SIGTERM)

    def wait(self, within_s: float) -> int:
        """Its exit code when it ends by itself."""
        assert self._process is not None
        code = self._process.wait(within_s)
        self._process = None
        return code

    def _end(self, number: signal.Signals) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        return process.wait(20)
