"""`/sse` as pages use it: a real Chromium's EventSource on a running `telemetrio up`, across a restart of that."""

import json
from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.test_seed_frontend import bind
from tests.peers.system import System
from tests.peers.waiting import eventually

pytestmark = pytest.mark.peer("chromium")

PAGE = """<!doctype html>
<title>Stream</title>
<script>
  window.seen = []; window.ends = []; window.ids = [];
  const source = new EventSource('%s/sse?devices=probe');
  source.onmessage = event => { window.seen.push(JSON.parse(event.data)); window.ids.push(event.lastEventId); };
  source.addEventListener('close', event => window.ends.push(JSON.parse(event.data)));
</script>
"""


@pytest.fixture
def url(system: System) -> Iterator[str]:
    """A page of an origin that may ask."""
    server = bind({"/": ("text/html", (PAGE % system.http).encode())})
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://localhost:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


def readings(page: Page) -> list[float]:
    seen: list[dict[str, Any]] = page.evaluate("window.seen")
    return [one["values"]["temperature"] for message in seen for one in message.get("readings", ())]


def publish(system: System, value: float) -> None:
    system.publish("iot/devices/probe/data", json.dumps({"temperature": value}))


def test_an_event_source_gets_readings_and_comes_back_after_a_restart(system: System, page: Page, url: str) -> None:
    """Messages arrive as they are published; the server's end is told, and the browser is back by itself."""
    page.goto(url)
    page.wait_for_function("window.seen.some(message => message.type === 'snapshot')")
    publish(system, 20)
    eventually(lambda: 20 in readings(page))
    page.wait_for_function("window.ids.at(-1).length > 10")
    system.restart()
    assert page.evaluate("window.ends") == [{"code": 1012, "reason": "restart"}]
    page.wait_for_function("window.seen.filter(message => message.type === 'welcome').length === 2", timeout=15_000)
    publish(system, 21)
    eventually(lambda: 21 in readings(page))
