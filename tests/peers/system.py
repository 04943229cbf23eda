"""`telemetrio up` as users run it: a real process on free ports, started, killed, restarted and stopped by its pid."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import paho.mqtt.publish

from tests.peers.waiting import eventually

READY_WITHIN_S = 30.0


class System:
    """A running `telemetrio up` on a data directory of its own; the ports stay the same across restarts."""

    def __init__(self, data_dir: Path, *flags: str, port: int = 0, mqtt_port: int = 0, **environment: str) -> None:
        self.data_dir = data_dir
        self._flags = flags
        self._environment = environment
        self._port, self.mqtt_port = port, mqtt_port
        self._process: subprocess.Popen[str] | None = None
        self._log = data_dir.with_suffix(".log")
        self.said: list[str] = []
        """What it wrote to standard output in all its lives, up to the ready lines."""

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """What the process wrote to standard error, in all its lives."""
        return self._log.read_text()

    def start(self) -> None:
        """Return when the ready line is there; the ports of the first start are kept."""
        command = [sys.executable, "-m", "telemetrio", "up", "--data-dir", str(self.data_dir)]
        command += ["--port", str(self._port), "--mqtt-port", str(self.mqtt_port), *self._flags]
        with self._log.open("a") as log:
            self._process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, env={**os.environ, **self._environment}
            )
        ready = self._ready_line()
        self._port, self.mqtt_port = (int(url.rpartition(":")[2]) for url in ready.split()[1:3])

    def _ready_line(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said.append(line)
            if line.startswith("ready "):
                return line
        raise AssertionError(f"telemetrio up ended with {self._process.wait(5)}: {self.log[-2000:]}")

    def kill(self) -> None:
        """Kill -9, as a power cut would."""
        self._end(signal.SIGKILL)

    def stop(self, within_s: float = 15.0) -> int:
        """SIGTERM; returns the exit code."""
        return self._end(signal.SIGTERM, within_s)

    def wait(self, within_s: float = 15.0) -> int:
        """The exit code of a process that ends by itself."""
        assert self._process is not None
        process, self._process = self._process, None
        try:
            return process.wait(within_s)
        finally:
            process.kill()
            process.wait()
            if process.stdout is not None:
                process.stdout.close()

    def restart(self) -> None:
        self.stop()
        self.start()

    def _end(self, number: signal.Signals, within_s: float = 15.0) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        try:
            code = process.wait(within_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        finally:
            if process.stdout is not None:
                process.stdout.close()
        return code

    def get(self, path: str) -> Any:
        """GET a JSON document."""
        with urllib.request.urlopen(f"{self.http}{path}", timeout=10) as answer:  # noqa: S310 - our own server
            return json.load(answer)

    def request(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """(status, JSON or None), errors too."""
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        given = {
            "Content-Type": "application/json",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        request = urllib.request.Request(f"{self.http}{path}", data, given, method=method)  # noqa: S310
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
                text = answer.read()
                return answer.status, json.loads(text) if text else None
        except HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def publish(self, topic: str, payload: bytes | str, qos: int = 1, *, retain: bool = False) -> None:
        """One message as a device sends it; returns when it is acknowledged."""
        paho.mqtt.publish.single(topic, payload, qos, retain, "127.0.0.1", self.mqtt_port)

    def device(self, device_id: str) -> dict[str, Any] | None:
        devices: list[dict[str, Any]] = self.get("/api/devices")
        return next((device for device in devices if device["device_id"] == device_id), None)

    def eventually_device(self, device_id: str, within_s: float = 5.0) -> dict[str, Any]:
        """Wait until the API shows the device."""
        return eventually(lambda: self.device(device_id), within_s)
