"""A real Mosquitto: on a free port, with the configuration that a test gives it, stopped by its pid."""

import signal
import socket
import subprocess
from pathlib import Path
from typing import Self

from tests.peers.programs import PEERS
from tests.peers.waiting import eventually

OPEN = "allow_anonymous true\n"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Mosquitto:
    """`config` is added to the listener; `persistent`: what it holds survives a stop (and, nearly always, a kill)."""

    def __init__(self, directory: Path, config: str = OPEN, *, persistent: bool = False, log: str = "all") -> None:
        self.port = free_port()
        self._directory = directory
        self._config = config
        self._persistent = persistent
        self._log_type = log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return (self._directory / "mosquitto.log").read_text(errors="replace")

    def start(self) -> None:
        """Return when it accepts connections."""
        path = self._directory / "mosquitto.conf"
        stored = (
            f"persistence true\npersistence_location {self._directory}/\n"
            "autosave_interval 1\nautosave_on_changes true\n"
        )
        # it drops root's rights, and could not write its database into a test's directory then
        head = f"user root\nlistener {self.port} 127.0.0.1\nlog_type {self._log_type}\n"
        path.write_text(head + self._config + (stored if self._persistent else ""))
        with (self._directory / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(PEERS["mosquitto"]()), "-c", str(path)], stdout=log, stderr=subprocess.STDOUT
            )
        eventually(self._accepts)

    def _accepts(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self.log
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def stop(self) -> None:
        """As an operator would: what it holds is written down first."""
        self._end(signal.SIGTERM)

    def reread(self) -> None:
        """As an operator would after a change of the files that it was given."""
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def kill(self) -> None:
        """Kill -9, as a power cut would."""
        self._end(signal.SIGKILL)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(10)
