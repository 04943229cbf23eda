"""What goes wrong under an open page, and what the page makes of it: a real Chromium on a running `telemetrio up`."""

import json

import pytest
from playwright.sync_api import Page, Route, WebSocketRoute, expect

from tests.peers.system import System
from tests.peers.waiting import eventually

pytestmark = [pytest.mark.peer("chromium"), pytest.mark.peer("dashboard")]

LIVE = "[data-part=connection][data-phase=live]"
GAP = {"type": "gap", "devices": "*", "since": "", "from": "", "to": ""}
MARK = "window.before = true"
MARKED = "window.before === true"


def publish(system: System, device_id: str, payload: str = '{"temperature": 1}') -> None:
    system.publish(f"iot/devices/{device_id}/data", payload)


def codes(system: System, device_id: str) -> set[str]:
    found = system.get(f"/api/v1/dead-letters?device_id={device_id}")["data"]
    return {letter["code"] for letter in found}


def open_live(page: Page, system: System, path: str = "") -> None:
    publish(system, "there")
    system.eventually_device("there")
    page.goto(f"{system.http}/#/{path}")
    page.locator(LIVE).wait_for()


def hold(page: Page, path: str) -> list[Route]:
    """Requests of this path, which wait from now on until the test answers them."""
    held: list[Route] = []

    def keep(route: Route) -> None:
        held.append(route)

    page.route(path, keep)
    return held


def awaited(page: Page, held: list[Route]) -> None:
    """Until the page has asked; it is told of requests while it is looked at."""
    eventually(lambda: page.evaluate("1") and held)


def upgraded(page: Page, chunk: str) -> None:
    """The server has no such file any more, until the page itself is asked for again."""
    again: list[str] = []
    page.on("request", lambda asked: again.append(asked.url) if asked.is_navigation_request() else None)
    page.route(f"**/assets/{chunk}-*.js", lambda it: it.continue_() if again else it.fulfill(status=404))


def test_what_live_left_out_is_read_from_history(shared_system: System, page: Page) -> None:
    """A hole that the line can't fill, as a page that was too slow is told of, is soon none in an open chart."""
    lines: list[WebSocketRoute] = []
    page.route_web_socket("**/ws", lambda line: lines.append(without_readings(line)))
    asked: list[int] = []
    page.on("response", lambda answer: asked.append(1) if answer.url.endswith("/readings/query") else None)
    for _ in range(2):
        publish(shared_system, "holed")
    open_live(page, shared_system, "devices/holed")
    chart = page.locator("[data-chart=temperature]")
    expect(chart).to_have_attribute("data-points", "2")
    eventually(lambda: page.evaluate("1") and len(asked) >= 2)  # the second one comes by itself
    for _ in range(3):
        publish(shared_system, "holed")
    eventually(lambda: len(shared_system.get("/api/v1/devices/holed/readings")["data"]) == 5)
    expect(chart).to_have_attribute("data-points", "2")
    lines[0].send(json.dumps({**GAP, "reason": "slow_client", "dropped": 3}))
    expect(chart).to_have_attribute("data-points", "5")


def without_readings(line: WebSocketRoute) -> WebSocketRoute:
    """A live connection that tells everything but readings."""
    server = line.connect_to_server()
    server.on_message(lambda told: None if json.loads(told)["type"] == "readings" else line.send(told))
    return line


def test_a_press_inside_a_dialogs_frame_does_not_close_it(shared_system: System, page: Page) -> None:
    """Beside the text and on the frame nothing happens; only outside of it the dialog goes."""
    open_live(page, shared_system, "devices")
    page.get_by_role("button", name="Many at once").click()
    dialog = page.get_by_role("dialog")
    box = dialog.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + 8, box["y"] + box["height"] / 2)
    page.mouse.click(box["x"] + box["width"] - 8, box["y"] + box["height"] - 8)
    expect(dialog).to_be_visible()
    page.mouse.click(box["x"] - 8, box["y"] + box["height"] / 2)
    expect(dialog).to_have_count(0)


def test_a_link_still_leads_somewhere_after_an_upgrade(shared_system: System, page: Page) -> None:
    """A page whose file is gone from the server comes by loading the dashboard anew, and Back leads back."""
    open_live(page, shared_system)
    upgraded(page, "DevicesPage")
    page.evaluate(MARK)
    page.get_by_role("link", name="Devices", exact=True).first.click()
    page.get_by_role("button", name="Many at once").wait_for()
    assert page.url.endswith("#/devices")
    assert not page.evaluate(MARKED)
    page.go_back()
    page.locator("[data-figure=received]").wait_for()


def test_a_dialog_still_comes_after_an_upgrade(shared_system: System, page: Page) -> None:
    """One whose file is gone from the server is there at the second try: the dashboard was loaded anew between."""
    open_live(page, shared_system, "devices?q=some")
    upgraded(page, "BulkDevices")
    page.evaluate(MARK)
    page.get_by_role("button", name="Many at once").click()
    page.wait_for_function(f"() => !({MARKED})")
    assert page.url.endswith("#/devices?q=some")
    page.get_by_role("button", name="Many at once").click()
    expect(page.get_by_role("dialog")).to_be_visible()


def test_a_link_says_when_the_server_is_away(shared_system: System, page: Page) -> None:
    """A page that can't be fetched from a server that is gone says so, and comes when it is back."""
    open_live(page, shared_system)
    page.evaluate(MARK)
    page.route("**/*", lambda it: it.abort())
    link = page.get_by_role("link", name="Settings").first
    link.click()
    expect(page.get_by_role("alert")).to_contain_text("does not answer")
    page.unroute("**/*")
    expect(page.get_by_role("alert")).to_have_count(0)
    link.click()
    expect(page.get_by_role("heading", name="Settings")).to_be_visible()


def test_only_what_stands_on_the_screen_is_discarded(shared_system: System, page: Page) -> None:
    """While the list of another choice is on its way nothing can be done with all; if it fails, that is said."""
    publish(shared_system, "late", "{cut off")
    publish(shared_system, "late", '{"a": {"b": {"c": 1}}}')
    eventually(lambda: len(codes(shared_system, "late")) == 2)
    open_live(page, shared_system, "dead-letters?device_id=late")
    discard = page.locator("[data-part=discard-all]")
    expect(discard).to_have_text("Discard all 2…")
    held = hold(page, "**/api/v1/dead-letters?*")
    page.locator("[data-code=not_json]").click()
    page.wait_for_url("**code=not_json*")
    expect(discard).to_be_disabled()
    awaited(page, held)
    held.pop().fulfill(status=503, json={"message": "The database is away"})
    expect(page.get_by_role("alert")).to_contain_text("The database is away")
    expect(discard).to_be_disabled()
    page.unroute("**/api/v1/dead-letters?*")
    expect(discard).to_have_text("Discard it…")
    expect(discard).to_be_enabled()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_second_file_is_not_taken_unseen(shared_system: System, page: Page) -> None:
    """What is dropped while a file is being read is let fall: what is taken is what was shown."""
    open_live(page, shared_system, "devices")
    page.get_by_role("button", name="Many at once").click()
    held = hold(page, "**/devices/bulk?dry_run=true")
    drop(page, "seen-1")
    awaited(page, held)
    drop(page, "unseen-1")
    held.pop().continue_()
    page.get_by_role("button", name="Take 1 row").click()
    expect(page.locator("[data-outcome=added]")).to_contain_text("1 added")
    assert shared_system.device("unseen-1") is None
    shared_system.eventually_device("seen-1")


def drop(page: Page, device_id: str) -> None:
    text = json.dumps(f"device_id,name\n{device_id},Some\n")
    dropped = page.evaluate_handle(
        f"() => {{ const it = new DataTransfer(); it.items.add(new File([{text}], 'x.csv')); return it }}"
    )
    page.dispatch_event("[data-part=bulk] .drop", "drop", {"dataTransfer": dropped})
