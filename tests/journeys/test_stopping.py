"""How it ends: in time with streams open, with an error when a part dies, with one sentence when it can't start."""

import asyncio
import os
import socket
import sqlite3
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import aiohttp
import orjson
import pytest
import socketio

from telemetrio.__main__ import main
from tests.peers.system import System
from tests.peers.waiting import eventually, eventually_async

WITHIN_S = 4.0


async def test_sigterm_ends_in_time_with_every_kind_of_stream_open(system: System) -> None:
    """WebSocket, Socket.IO over both transports, a body half sent and an answer not read: exit 0 within 4 s."""
    many = [
        {"ts": time.time_ns() - number * 1000, "values": {f"m{m}": float(m) for m in range(90)}} for number in range(20)
    ]
    for _ in range(20):
        await asyncio.to_thread(system.publish, "iot/devices/bulky/data", _json(many))
    await asyncio.to_thread(system.eventually_device, "bulky")
    with _half_sent(system), _unread(system):
        async with aiohttp.ClientSession() as http, http.ws_connect(f"{system.http}/ws") as websocket:
            await websocket.receive_json(timeout=5)
            await websocket.send_json({"type": "subscribe", "id": 1, "devices": "*"})
            clients = []
            for transports in (["polling"], ["websocket"]):
                client = socketio.AsyncClient(reconnection=False, http_session=http)  # closed with it
                await client.connect(system.http, transports=transports)
                clients.append(client)
            listening = asyncio.create_task(_listen(websocket))
            begun = time.monotonic()
            assert await asyncio.to_thread(system.stop, 10) == 0
            took_s = time.monotonic() - begun
            assert await listening == 1012
            await eventually_async(partial(_none_connected, clients))
            for client in clients:
                await client.disconnect()
    assert took_s < WITHIN_S


async def _listen(websocket: aiohttp.ClientWebSocketResponse) -> int:
    while (frame := await websocket.receive(2 * WITHIN_S)).type is aiohttp.WSMsgType.TEXT:
        pass
    return int(frame.data)


def _json(value: object) -> bytes:
    return orjson.dumps(value)


async def _none_connected(clients: list[socketio.AsyncClient]) -> bool:
    return not any(client.connected for client in clients)


def _half_sent(system: System) -> socket.socket:
    raw = socket.create_connection(("127.0.0.1", int(system.http.rpartition(":")[2])))
    raw.sendall(b"POST /api/v1/items HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n")
    raw.sendall(b"Content-Length: 1000\r\n\r\n{")
    return raw


def _unread(system: System) -> socket.socket:
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
    raw.connect(("127.0.0.1", int(system.http.rpartition(":")[2])))
    raw.sendall(b"GET /api/v1/devices/bulky/readings?start=-1h&limit=10000 HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return raw


def test_a_consumer_that_dies_ends_the_process_with_an_error(tmp_path: Path) -> None:
    """Books that are gone kill the pipeline; the process must not go on looking healthy."""
    system = System(tmp_path / "data")
    system.start()
    with sqlite3.connect(system.data_dir / "ingest.outbox") as file:
        file.execute("DROP TABLE books")
    file.close()
    system.publish("iot/devices/d/data", b'{"temperature": 1}', qos=0)
    assert system.wait() == 1
    assert "part_died" in system.log


@pytest.mark.parametrize("flag", ["--port", "--mqtt-port"])
def test_a_taken_port_is_one_sentence_and_exit_code_3(tmp_path: Path, flag: str) -> None:
    """Who holds the port is guessed, and the flag to choose another is named."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = str(holder.getsockname()[1])
        ended = _up(tmp_path, "--port", "0", "--mqtt-port", "0", flag, port)
    assert ended.returncode == 3
    assert ended.stderr.count("\n") == 1
    assert f"port {port} is taken" in ended.stderr
    assert flag in ended.stderr


def test_two_on_one_directory_is_one_sentence_and_exit_code_2(system: System) -> None:
    """The second process leaves the first one's files alone."""
    ended = _up(system.data_dir, "--port", "0", "--mqtt-port", "0")
    assert ended.returncode == 2
    assert "in use by another telemetrio" in ended.stderr
    assert "--data-dir" in ended.stderr


def test_a_wrong_setting_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    """Before anything is opened: no file is left behind."""
    ended = _up(tmp_path / "data", TELEMETRIO_PORT="many")
    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1), ended.stderr
    assert "TELEMETRIO_PORT" in ended.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        (("TELEMETRIO_HOST", "0.0.0.0"), "loopback"),
        (("TELEMETRIO_COALESE_MS", "50"), "did you mean TELEMETRIO_COALESCE_MS?"),
        (("DATABASE_URL", "mysql://root@localhost/x"), "postgresql://"),
        (("CORS_ORIGINS", "localhost:5173"), "http://localhost:5173"),
        (("TELEMETRIO_ALLOWED_HOSTS", "::1"), "no host name"),
    ],
)
def test_a_wrong_setting_names_itself_and_the_mend(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    setting: tuple[str, str],
    said: str,
) -> None:
    """Whichever it is: the same exit code, and no file."""
    monkeypatch.setenv(*setting)
    monkeypatch.setattr(sys, "argv", ["telemetrio", "up", "--data-dir", str(tmp_path / "data")])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def _up(data_dir: Path, *flags: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "telemetrio", "up", "--data-dir", str(data_dir), *flags],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, **environment},
    )


def test_data_survives_a_restart(system: System) -> None:
    """Devices, values, readings and books are there again after a stop and a start on the same directory."""
    system.publish("iot/devices/keeper/data", b'{"temperature": 21.5}')
    eventually(lambda: system.get("/api/v1/devices/keeper/readings")["data"] if system.device("keeper") else None)
    before = system.get("/api/v1/devices/keeper/readings")["data"]
    system.restart()
    assert system.get("/api/v1/devices/keeper/readings")["data"] == before
    device = system.device("keeper")
    assert device is not None
    assert device["temperature"] == 21.5
