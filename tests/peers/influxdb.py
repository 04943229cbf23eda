"""A real InfluxDB (Debian's 1.6.7) as a process of the test's own: free ports, own folder, stopped by its pid."""

import json
import signal
import socket
import subprocess
import urllib.request
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode

from tests.peers.programs import PEERS
from tests.peers.waiting import eventually

_STARTED_WITHIN_S = 30.0
_CONFIGURATION = """
reporting-disabled = true
bind-address = "127.0.0.1:{rpc_port}"
[meta]
dir = "{folder}/meta"
[data]
dir = "{folder}/data"
wal-dir = "{folder}/wal"
query-log-enabled = false
auth-enabled = {auth}
[http]
bind-address = "127.0.0.1:{port}"
log-enabled = false
auth-enabled = {auth}
[monitor]
store-enabled = false
[continuous_queries]
enabled = false
[logging]
level = "error"
"""


class Influxd:
    """`port` stays the same across restarts, and so does what was stored. `auth`: nobody may ask without a user."""

    def __init__(self, folder: Path, *, auth: bool = False) -> None:
        self._auth = auth
        self.port, self._rpc_port = free_ports(2)
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Return once it answers."""
        self._folder.mkdir(parents=True, exist_ok=True)
        file = self._folder / "influxdb.conf"
        given = {"folder": self._folder, "port": self.port, "rpc_port": self._rpc_port}
        file.write_text(_CONFIGURATION.format(**given, auth=str(self._auth).lower()))
        program = PEERS["influxd"]()
        assert program is not None
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen([program, "run", "-config", file], stdout=log, stderr=log)
        eventually(self._answers, _STARTED_WITHIN_S)

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "log").read_text()[-2000:]
        try:
            with urllib.request.urlopen(f"{self.url}/ping", timeout=5) as answer:  # noqa: S310 - our own server
                return bool(answer.status == 204)
        except URLError:
            return False

    def query(self, statement: str, database: str = "") -> Any:
        """The JSON of one statement's result."""
        form = urlencode({"q": statement, "db": database, "epoch": "ns"}).encode()
        with urllib.request.urlopen(f"{self.url}/query", form, timeout=30) as answer:  # noqa: S310 - our own server
            result = json.load(answer)["results"][0]
        assert "error" not in result, result
        return result

    def write(self, database: str, lines: str) -> None:
        """Points of somebody else."""
        url = f"{self.url}/write?{urlencode({'db': database})}"
        urllib.request.urlopen(url, lines.encode(), timeout=30).close()  # noqa: S310 - our own server

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Kill -9, as a power cut would."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise


def free_ports(number: int) -> list[int]:
    """Ports that were free a moment ago, all different."""
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    try:
        return [each.getsockname()[1] for each in held]
    finally:
        for each in held:
            each.close()
