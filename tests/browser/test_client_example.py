"""The example page of the typed client: plain HTML of another origin, on a running `telemetrio up`."""

import json
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

import pytest
from playwright.sync_api import Page, expect

from tests.peers.programs import ROOT
from tests.peers.system import System

pytestmark = [pytest.mark.peer("chromium"), pytest.mark.peer("dashboard")]

WITHIN_MS: Final = 30_000


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_said: Any) -> None:
        """Nothing: the page says what is wrong."""


@pytest.fixture
def examples() -> Iterator[str]:
    """Where the examples are served from, as anybody's web server would."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(ROOT / "frontend" / "examples")))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def publish(system: System, temperature: float) -> None:
    system.publish("iot/devices/first/data", json.dumps({"temperature": temperature}))


def test_a_page_that_builds_nothing_follows_devices(examples: str, tmp_path: Path, page: Page) -> None:
    """It says what to do first, shows what is published, and after a restart it has missed nothing."""
    system = System(tmp_path / "data", TELEMETRIO_CORS_ORIGINS=examples)
    system.start()
    try:
        page.goto(f"{examples}/live.html?server={system.http}")
        state, row = page.locator("#state"), page.locator("[data-device=first] td")
        expect(state).to_have_text("live", timeout=WITHIN_MS)
        expect(page.locator("#empty")).to_contain_text("mosquitto_pub")
        publish(system, 23.5)
        expect(row.nth(2)).to_have_text("temperature 23.5", timeout=WITHIN_MS)
        expect(page.locator("#empty")).to_be_hidden()
        system.restart()
        publish(system, 24.5)
        expect(row.nth(2)).to_have_text("temperature 24.5", timeout=WITHIN_MS)
        expect(row.nth(3)).to_have_text("2")
        expect(state).to_have_text("live", timeout=WITHIN_MS)
    finally:
        system.stop()


def test_a_page_that_is_not_let_in_says_so(examples: str, shared_system: System, page: Page) -> None:
    """An origin that the server does not know is told by the page itself, with the server's address."""
    page.goto(f"{examples}/live.html?server={shared_system.http}")
    expect(page.locator("#state")).to_contain_text(f"{shared_system.http} does not let this page in", timeout=WITHIN_MS)
