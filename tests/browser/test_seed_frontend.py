"""A page written for the seed's backend, unchanged, on another origin: the real npm client gets every reading."""

import json
import re
from collections.abc import Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from threading import Thread
from typing import Any, Final

import pytest
from playwright.sync_api import Page

from tests.peers.programs import PEERS
from tests.peers.system import System
from tests.peers.waiting import eventually

pytestmark = [pytest.mark.peer("chromium"), pytest.mark.peer("socketio_client")]

ORIGIN_PORTS: Final = range(5173, 5178)  # Vite's own, and those it moves on to
CLIENT: Final = "socket.io.min.js"
# The seed's hook, without React around it; %s is the second argument, which the seed does not give.
PAGE: Final = """<!doctype html>
<title>Seed</title>
<script src="/socket.io.min.js"></script>
<script>
  window.received = [];
  const newSocket = io('http://localhost:%s'%s);
  newSocket.on('sensor_data', (data) => { window.received.push(data); });
  window.transport = () => newSocket.connected && newSocket.io.engine.transport.name;
</script>
"""


class Files(BaseHTTPRequestHandler):
    """Answers with one of a few texts; says nothing on the terminal."""

    def __init__(self, files: dict[str, tuple[str, bytes]], *args: Any) -> None:
        self._files = files
        super().__init__(*args)

    def do_GET(self) -> None:
        kind, body = self._files.get(self.path, ("text/plain", b""))
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the overridden argument
        """Keep the test's output to the test's own."""


class Origin(ThreadingTCPServer):
    """http.server's own would ask a name server for this machine's full name, and wait for it."""

    allow_reuse_address = True
    daemon_threads = True


def bind(files: dict[str, tuple[str, bytes]]) -> Origin:
    for port in ORIGIN_PORTS:
        try:
            return Origin(("127.0.0.1", port), partial(Files, files))
        except OSError:
            continue
    raise AssertionError(f"no free port among {ORIGIN_PORTS}")


@pytest.fixture
def origin(shared_system: System) -> Iterator[str]:
    """`http://localhost:5173` with the seed's page at / (its defaults) and at /websocket (that transport alone)."""
    folder = PEERS["socketio_client"]()
    assert folder is not None
    port = shared_system.http.rpartition(":")[2]
    only = ", { transports: ['websocket'] }"
    files = {
        "/": ("text/html", (PAGE % (port, "")).encode()),
        "/websocket": ("text/html", (PAGE % (port, only)).encode()),
        f"/{CLIENT}": ("text/javascript", (folder / CLIENT).read_bytes()),
    }
    server = bind(files)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("path", ["/", "/websocket"])
def test_an_unchanged_seed_page_receives_sensor_data(shared_system: System, page: Page, origin: str, path: str) -> None:
    """By polling and its upgrade as by WebSocket alone: one event for a reading, with the seed's keys, nothing null."""
    page.goto(origin + path)
    page.wait_for_function("window.transport() === 'websocket'")
    device_id = f"seed{path.replace('/', '-')}"
    payload = {"temperature": 23.5, "humidity": 55, "pressure": 1013.25}
    shared_system.publish(f"iot/devices/{device_id}/data", json.dumps(payload))
    received = eventually(lambda: of(page, device_id))
    assert len(received) == 1
    assert {key: received[0][key] for key in payload} == payload
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z", received[0]["timestamp"])
    shared_system.publish(f"iot/devices/{device_id}/data", '{"temperature": 24}')
    second = eventually(lambda: of(page, device_id)[1:])[0]
    assert second["temperature"] == 24
    assert "humidity" not in second


def of(page: Page, device_id: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = page.evaluate("window.received")
    return [event for event in events if event["device_id"] == device_id]
