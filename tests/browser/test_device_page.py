"""A device's own page in a real Chromium on a running `telemetrio up`: charts that are asked for, joined and kept."""

import json
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Browser, Page, expect
from playwright.sync_api import Request as PageRequest

from tests.browser.tracing import LONG_TASK_MS, traced
from tests.peers.system import System
from tests.peers.waiting import eventually

pytestmark = [pytest.mark.peer("chromium"), pytest.mark.peer("dashboard")]

LIVE: Final = "[data-part=connection][data-phase=live]"
QUERIES: Final = "**/api/v1/readings/query"
DAY_S: Final = 86_400
CAN_BE_CUT: Final = """const Open = WebSocket;
window.WebSocket = class extends Open {
  constructor(url) {
    if (window.cut) throw new Error("cut off");
    super(url);
  }
};"""


def publish(system: System, device_id: str, **values: float) -> None:
    system.publish(f"iot/devices/{device_id}/data", json.dumps(values))


def store(system: System, device_id: str, rows: list[tuple[float, dict[str, float]]], profile: str = "open") -> None:
    """History: (seconds since 1970, values) of a device of its own, stored when this returns."""
    body = {"device_id": device_id, "name": device_id, "profile": profile}
    assert system.request("POST", "/api/v1/devices", body)[0] == 201
    lines = [
        json.dumps({"device_id": device_id, "timestamp": datetime.fromtimestamp(at, UTC).isoformat(), "values": values})
        for at, values in rows
    ]
    path, kind = f"{system.http}/api/v1/readings/import", {"Content-Type": "application/x-ndjson"}
    given = Request(path, "\n".join(lines).encode(), kind)  # noqa: S310 - our own server
    with urlopen(given, timeout=30) as answer:  # noqa: S310 - our own server
        assert json.load(answer)["accepted"] == len(rows)
    metrics = list(rows[0][1])
    question = {"devices": [device_id], "metrics": metrics, "start": "0", "end": "now", "aggregates": ["count"]}
    eventually(lambda: stored(system, question) == [len(rows)] * len(metrics), 30)
    # the list of devices has its newest values a moment later
    eventually(lambda: set(metrics) <= set((system.device(device_id) or {}).get("values") or ()), 30)


def stored(system: System, question: dict[str, Any]) -> list[int]:
    series = system.request("POST", "/api/v1/readings/query", question)[1]["series"]
    return [each["rows"][0][1] for each in series]


def open_device(page: Page, system: System, device_id: str, more: str = "") -> None:
    page.goto(f"{system.http}/#/devices/{device_id}{more}")
    page.locator(LIVE).wait_for()


def span(page: Page) -> tuple[int, int]:
    stage = page.locator("[data-part=stage]")
    return int(stage.get_attribute("data-from") or 0), int(stage.get_attribute("data-to") or 0)


def length(page: Page) -> int:
    begin, end = span(page)
    return end - begin


def asked(page: Page, wanted: Callable[[dict[str, Any]], bool], act: Callable[[], object]) -> dict[str, Any]:
    """The question to the API that an act leads to."""

    def is_it(request: PageRequest) -> bool:
        return request.url.endswith("/api/v1/readings/query") and wanted(json.loads(request.post_data or "{}"))

    with page.expect_request(is_it) as found:
        act()
    body: dict[str, Any] = json.loads(found.value.post_data or "{}")
    return body


def moment(text: str) -> float:
    return datetime.fromisoformat(text).timestamp() * 1000


@pytest.fixture(scope="module")
def recorded(shared_system: System) -> str:
    """A device that has measured every five minutes for three days, up to now, with six silent hours."""
    now = time.time()
    moments = [now - 3 * DAY_S + step * 300 for step in range(3 * DAY_S // 300)]
    silent = (now - 1.5 * DAY_S, now - 1.25 * DAY_S)
    rows = [(at, {"level": at % DAY_S / DAY_S}) for at in moments if not silent[0] < at < silent[1]]
    store(shared_system, "recorded", rows)
    return "recorded"


def test_a_restart_of_the_server_leaves_no_hole(system: System, page: Page) -> None:
    """Readings from before, during and after a restart are all in the chart of a page that was open all the time."""
    for step in range(4):
        publish(system, "steady", temperature=20 + step)
    page.add_init_script(CAN_BE_CUT)
    open_device(page, system, "steady")
    chart = page.locator("[data-chart=temperature]")
    expect(chart).to_have_attribute("data-points", "4", timeout=15_000)
    page.route(QUERIES, lambda it: it.abort())  # what was missed must come with the connection, not by asking again
    page.evaluate("window.cut = true")
    system.restart()
    for step in range(3):
        publish(system, "steady", temperature=30 + step)
    expect(page.locator(LIVE)).to_have_count(0)
    page.evaluate("window.cut = false")
    page.locator(LIVE).wait_for(timeout=40_000)
    for step in range(2):
        publish(system, "steady", temperature=40 + step)
    expect(chart).to_have_attribute("data-points", "9", timeout=40_000)
    page.unroute(QUERIES)
    page.reload()
    expect(chart).to_have_attribute("data-points", "9", timeout=15_000)


def test_zooming_and_panning_ask_for_what_is_seen(shared_system: System, page: Page, recorded: str) -> None:
    """Drag, wheel and keys change the stretch of time, and ask for what is not there; a click follows live again."""
    open_device(page, shared_system, recorded)
    page.get_by_text("1 d", exact=True).click()
    chart = page.locator("[data-chart=level]")
    expect(chart).to_have_attribute("data-points", re.compile("28[78]"), timeout=10_000)  # before one looks closer
    stage = page.locator("[data-part=stage]")
    box = stage.bounding_box()
    assert box is not None
    before, middle = span(page), box["y"] + 60
    page.mouse.move(box["x"] + box["width"] * 0.3, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.7, middle, steps=4)
    page.mouse.up()
    eventually(lambda: length(page) < 0.6 * (before[1] - before[0]))
    dragged = span(page)
    assert before[0] < dragged[0] < dragged[1] < before[1]
    page.mouse.wheel(0, -300)
    eventually(lambda: length(page) < dragged[1] - dragged[0])
    zoomed = span(page)
    earlier = before[0] - 0.8 * DAY_S * 1000  # beyond the margin that came with the day
    asked(page, lambda body: moment(body["start"]) < earlier, lambda: back(page, earlier))
    assert length(page) == pytest.approx(zoomed[1] - zoomed[0], abs=2)
    expect(chart).not_to_have_attribute("data-points", "0")
    page.get_by_role("button", name="Back to live").click()
    eventually(lambda: abs(span(page)[1] - time.time() * 1000) < 5_000)


def back(page: Page, until_ms: float) -> None:
    for _ in range(100):
        page.keyboard.press("ArrowLeft")
        if span(page)[0] < until_ms:
            return
    raise AssertionError(f"the keys led to {span(page)}, not to {until_ms}")


def test_windows_are_the_readers_choice(shared_system: System, page: Page, recorded: str) -> None:
    """Window length, aggregate and zone go into the question, and windows too fine for the range are widened."""
    open_device(page, shared_system, recorded)
    page.get_by_text("1 w", exact=True).click()
    stage = page.locator("[data-part=stage]")
    page.locator("[name=windows]").select_option("6h")
    expect(stage).to_have_attribute("data-resolution", "6h")
    choose = page.locator("[name=aggregate]").select_option
    body = asked(page, lambda body: body.get("aggregates") == ["p95", "count"], lambda: choose("p95"))
    assert body["every"] == "6h"
    assert body["timezone"] == page.evaluate("Intl.DateTimeFormat().resolvedOptions().timeZone")
    page.get_by_text("1 mo", exact=True).click()
    page.locator("[name=windows]").select_option("1m")
    expect(page.locator("[data-part=panel]")).to_contain_text("1 min is too fine")
    page.locator("[name=windows]").select_option("raw")
    expect(stage).to_have_attribute("data-resolution", "points")
    count = {"devices": [recorded], "metrics": ["level"], "start": "0", "end": "now", "aggregates": ["count"]}
    expect(page.locator("[data-chart=level]")).to_have_attribute("data-points", str(stored(shared_system, count)[0]))


def test_a_line_is_compared_with_yesterday_and_with_another_device(
    shared_system: System, page: Page, recorded: str
) -> None:
    """What is compared stands in the same panel, by name, with its own figures."""
    publish(shared_system, "beside", level=0.25)
    shared_system.eventually_device("beside")
    open_device(page, shared_system, recorded)
    page.get_by_text("6 h", exact=True).click()
    panel = page.locator("[data-chart=level]")
    page.locator("[name=compare]").select_option("period:day")
    expect(panel).to_contain_text("the day before")
    expect(panel).to_contain_text("mean")
    page.locator("[name=compare]").select_option("device:beside")
    expect(panel).to_contain_text("beside")
    expect(panel).to_contain_text("mean 0.25")
    publish(shared_system, "beside", level=0.75)
    expect(panel).to_contain_text("mean 0.50")


def test_metrics_are_turned_off_and_on(shared_system: System, page: Page) -> None:
    """A metric that is off has no panel and is not asked for; what is on has its unit."""
    publish(shared_system, "two", temperature=20, humidity=50)
    open_device(page, shared_system, "two")
    expect(page.locator("[data-chart=temperature]")).to_contain_text("°C")
    page.locator("[data-toggle=humidity]").click()
    expect(page.locator("[data-chart=humidity]")).to_have_count(0)
    asked(page, lambda body: body["metrics"] == ["temperature"], page.get_by_text("6 h", exact=True).click)
    page.locator("[data-toggle=humidity]").click()
    expect(page.locator("[data-chart=humidity]")).to_have_count(1)


def test_what_is_shown_can_be_taken_away(shared_system: System, page: Page, recorded: str, tmp_path: Path) -> None:
    """CSV and NDJSON have the readings of the range that is shown, PNG its picture; a file that fails says why."""
    open_device(page, shared_system, recorded)
    page.get_by_text("1 d", exact=True).click()
    expect(page.locator("[data-chart=level]")).to_have_attribute("data-points", re.compile("28[78]"), timeout=10_000)
    lines = exported(page, "CSV", tmp_path).decode().splitlines()
    assert lines[0] == "time,device_id,measurement,level"
    assert len(lines) - 1 in {287, 288}
    assert len(exported(page, "NDJSON", tmp_path).splitlines()) in {287, 288}
    assert exported(page, "PNG", tmp_path).startswith(b"\x89PNG")
    page.route("**/readings/export*", lambda route: route.fulfill(status=503, json={"message": "The store is away"}))
    page.locator("[data-part=export] summary").click()
    page.locator("[data-part=export]").get_by_text("CSV").click()
    expect(page.get_by_role("alert")).to_contain_text("The store is away")


def exported(page: Page, name: str, folder: Path) -> bytes:
    page.locator("[data-part=export] summary").click()
    with page.expect_download() as started:
        page.locator("[data-part=export] button", has_text=name).click()
    started.value.save_as(folder / name)
    return (folder / name).read_bytes()


def test_a_credential_is_shown_once_and_can_be_revoked(shared_system: System, page: Page) -> None:
    """The password works at the broker, is nowhere on the page afterwards, and is revoked after a question."""
    publish(shared_system, "guarded", temperature=1)
    open_device(page, shared_system, "guarded")
    part = page.locator("[data-part=credentials]")
    part.get_by_role("button", name="Add").click()
    page.locator("[name=credential]").fill("not a name")
    page.get_by_role("button", name="Make it").click()
    expect(page.get_by_role("dialog")).to_contain_text("letters, digits")
    page.locator("[name=credential]").fill("bench")
    page.get_by_role("button", name="Make it").click()
    password = page.locator("[data-part=made] code[tabindex]").first.inner_text()
    assert len(password) > 30
    page.get_by_role("button", name="I have copied it").click()
    expect(part.locator("[data-credential=bench]")).to_be_visible()
    assert password not in page.content()
    part.get_by_role("button", name="Revoke bench").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke", exact=True).click()
    expect(part.locator("[data-credential=bench]")).to_have_count(0)


def test_a_device_is_renamed_disabled_and_deleted(shared_system: System, page: Page) -> None:
    """Each is asked for once more before it is done, and the page says what became of it."""
    publish(shared_system, "passing", temperature=1)
    open_device(page, shared_system, "passing")
    facts = page.locator("[data-part=facts]")
    facts.get_by_role("button", name="Edit").click()
    page.locator("[name=name]").fill("Passing by")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.locator("[data-part=panel] h2")).to_have_text("Passing by")
    facts.get_by_role("button", name="Disable").click()
    page.get_by_role("button", name="Disable device").click()
    expect(page.locator("[data-part=panel]")).to_contain_text("what it sends is refused")
    assert shared_system.get("/api/v1/devices/passing")["disabled"] is True
    facts.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete device").click()
    page.wait_for_url("**/#/devices")
    assert shared_system.device("passing") is None


def test_a_range_of_ones_own(shared_system: System, page: Page, recorded: str) -> None:
    """From and to are read by the clocks of the zone; what makes no sense is told at the fields."""
    open_device(page, shared_system, recorded)
    page.locator("[data-part=custom]").click()
    page.locator("[name=from]").fill("2026-01-02T12:00")
    page.locator("[name=to]").fill("2026-01-02T11:00")
    page.get_by_role("button", name="Show", exact=True).click()
    expect(page.get_by_role("dialog")).to_contain_text("must be before the end")
    page.locator("[name=to]").fill("2026-01-02T13:00")
    page.get_by_role("button", name="Show", exact=True).click()
    eventually(lambda: length(page) == 3_600_000)
    expect(page.locator("[data-part=state]")).to_contain_text("No readings in this time")


def test_a_knee_is_shown_as_movement(shared_system: System, page: Page) -> None:
    """Repetitions, their pace and the range of motion stand in words, figures and bars."""
    now = time.time()
    shape = [0.0, 0.25, 0.75, 1.0, 0.75, 0.25]
    rows = [(now - 60 + step * 0.5, {"x": shape[step % 6], "y": 1.0, "z": 0.0}) for step in range(60)]
    store(shared_system, "bending", rows, profile="knee")
    open_device(page, shared_system, "bending", "/knee")
    expect(page.locator("[data-figure=repetitions]")).to_contain_text("10")
    expect(page.locator("[data-figure=pace]")).to_contain_text("3.0")
    expect(page.locator("[data-part=knee]")).to_contain_text("Bent and stretched 10 times in the last 24 hours")
    assert int(page.locator("[data-picture=Magnitude]").get_attribute("data-bars") or 0) in {1, 2}
    page.locator("[name=least]").fill("5")
    page.locator("[name=least]").press("Enter")
    expect(page.locator("[data-figure=repetitions]")).to_contain_text("0")


def test_a_page_without_movement_says_what_it_needs(shared_system: System, page: Page) -> None:
    """A device that never measured x, y and z is told so, with a line to try."""
    publish(shared_system, "still", temperature=1)
    open_device(page, shared_system, "still", "/knee")
    expect(page.locator("[data-part=no-knee]")).to_contain_text("Movement needs x, y and z")
    expect(page.locator("[data-part=no-knee]")).to_contain_text("mosquitto_pub")


def test_ten_thousand_points_are_zoomed_and_panned_without_a_long_task(
    shared_system: System, browser: Browser, page: Page
) -> None:
    """No task of the main thread takes more than 50 ms of its processor: other work on the machine is not counted."""
    now = time.time()
    store(shared_system, "dense", [(now - 10_000 + step, {"level": step % 97 / 97}) for step in range(10_000)])
    open_device(page, shared_system, "dense")
    page.get_by_text("6 h", exact=True).click()
    eventually(lambda: length(page) > 9_900_000, 15)
    page.locator("[data-part=stage]").click(position={"x": 400, "y": 80})
    with traced(browser, page) as tasks:
        before = span(page)
        for turn in (*[-120] * 10, *[120] * 12):
            page.mouse.wheel(0, turn)
        for key in ("ArrowLeft",) * 6 + ("ArrowRight",) * 6 + ("-",) * 2:
            page.keyboard.press(key)
        eventually(lambda: span(page) != before)
        expect(page.get_by_text("Loading history")).to_have_count(0, timeout=15_000)
    assert len(tasks) > 20
    assert [task for task in tasks if task > LONG_TASK_MS] == []
