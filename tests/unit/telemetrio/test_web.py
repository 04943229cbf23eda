"""Paths reach their apps, and a port that can't be had is told with its mend."""

import errno
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from services.realtime.paths import Paths
from shared.gate import ASGI3
from shared.process import ExitCode, Refusal
from shared.serving import port_taken
from telemetrio.settings import UpSettings, refuse_unknown


def app(name: str, called: list[str]) -> ASGI3:
    async def record(_scope: Any, _receive: Any, _send: Any) -> None:
        called.append(name)

    return record


def paths(called: list[str]) -> Paths:
    live: Any = SimpleNamespace(**{f"asgi_{name}": app(name, called) for name in ("ws", "sse", "socketio")})
    return Paths(live, app("default", called), {"/metrics": app("metrics", called)})


async def nothing(*_: Any) -> Any: ...


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "default"),
        ("/ws", "ws"),
        ("/ws/", "ws"),
        ("/sse", "sse"),
        ("/metrics", "metrics"),
        ("/wsx", "default"),
        ("/socket.io/", "socketio"),
        ("/socket.io", "socketio"),
        ("/api/ws", "default"),
        ("//ws", "ws"),
    ],
)
async def test_a_path_reaches_its_own_app(path: str, expected: str) -> None:
    """The first segment decides; everything else is the default's."""
    called: list[str] = []
    await paths(called)({"type": "http", "path": path}, nothing, nothing)
    assert called == [expected]


async def test_the_lifespan_is_the_defaults() -> None:
    """It has no path, and belongs to Quart."""
    called: list[str] = []
    await paths(called)({"type": "lifespan"}, nothing, nothing)
    assert called == ["default"]


@pytest.mark.parametrize(
    ("number", "port", "said"),
    [
        (errno.EADDRINUSE, 1883, "usually Mosquitto"),
        (errno.EADDRINUSE, 5000, "AirPlay"),
        (errno.EADDRINUSE, 4711, "taken"),
        (errno.EACCES, 80, "above 1023"),
        (errno.EADDRNOTAVAIL, 80, "choose another address"),
    ],
)
def test_a_port_that_cannot_be_had_names_the_flag(number: int, port: int, said: str) -> None:
    """One sentence, the usual holder, the flag; exit code 3."""
    refusal = port_taken(OSError(number, "no"), port, "--port")
    assert refusal.code == ExitCode.PORT_TAKEN
    assert said in str(refusal)
    assert "--port" in str(refusal)


def test_an_unknown_setting_is_refused_with_the_nearest_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """TELEMETRIO_MQTTPORT is a slip of the pen."""
    monkeypatch.setenv("TELEMETRIO_MQTTPORT", "1884")
    with pytest.raises(Refusal, match="did you mean TELEMETRIO_MQTT_PORT"):
        refuse_unknown()


def test_an_unknown_setting_in_the_file_is_refused_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`.env` is read like the environment; what is not ours in it is left alone."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("INFLUXDB_URL=http://localhost:8086\nTELEMETRIO_PROT=5001\n")
    with pytest.raises(Refusal, match="did you mean TELEMETRIO_PORT"):
        refuse_unknown()


def test_localhost_is_both_loopback_addresses() -> None:
    """IPv4 and IPv6: browsers choose either for `localhost`."""
    assert UpSettings().hosts == ("127.0.0.1", "::1")
    assert UpSettings(host="[::1]").hosts == ("::1",)
