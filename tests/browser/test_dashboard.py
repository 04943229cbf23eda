"""The dashboard as people use it: a real Chromium on a running `telemetrio up`, fed over real MQTT."""

import json
import sqlite3

import pytest
from playwright.sync_api import Page, expect

from tests.peers.system import System
from tests.peers.waiting import eventually

pytestmark = [pytest.mark.peer("chromium"), pytest.mark.peer("dashboard")]

LIVE = "[data-part=connection][data-phase=live]"
# the line tries again after up to 15 s, and what the store did not have yet is asked for after 5 s and then 10 s more
PATIENT_MS = 40_000


def publish(system: System, device_id: str, **values: float) -> None:
    system.publish(f"iot/devices/{device_id}/data", json.dumps(values))


def value_of(page: Page, device_id: str, metric: str) -> str:
    return page.locator(f"article[data-device={device_id}] [data-metric={metric}] dd").inner_text().replace("\xa0", " ")


def open_live(page: Page, url: str) -> None:
    page.goto(url)
    page.locator(LIVE).wait_for()


def test_a_first_device_appears_and_its_values_move(system: System, page: Page) -> None:
    """An empty page says what to do; a device that publishes is there without a reload, and its values follow."""
    open_live(page, system.http)
    expect(page.locator("[data-part=empty]")).to_contain_text("mosquitto_pub")
    publish(system, "first", temperature=23.5, humidity=55, pressure=1013.2)
    page.locator("article[data-device=first]").wait_for()
    eventually(lambda: value_of(page, "first", "temperature") == "23.5 °C")
    eventually(lambda: value_of(page, "first", "pressure") == "1\u202f013.2 hPa")
    publish(system, "first", temperature=24.5)
    eventually(lambda: value_of(page, "first", "temperature") == "24.5 °C")
    expect(page.locator("article[data-device=first]")).to_contain_text("online")
    eventually(lambda: page.locator("[data-figure=received]").inner_text() == "2")
    expect(page.locator("[data-part=balance]")).to_contain_text("balance")


def test_nobody_is_asked_to_log_in_where_none_is_needed(shared_system: System, page: Page) -> None:
    """Open access says so in the navigation, and the address of the login leads to the first page."""
    open_live(page, f"{shared_system.http}/#/login")
    assert page.url.endswith("#/")
    expect(page.get_by_role("link", name="Open access")).to_be_visible()


def test_the_chart_joins_history_and_live(shared_system: System, page: Page) -> None:
    """An open device shows what was stored before and what arrives now: each reading once, in one curve."""
    for step in range(5):
        publish(shared_system, "probe", temperature=20 + step)
    open_live(page, f"{shared_system.http}/#/devices/probe")
    chart = page.locator("[data-chart=temperature]")
    expect(chart).to_have_attribute("data-points", "5", timeout=15_000)
    for step in range(3):
        publish(shared_system, "probe", temperature=30 + step)
    expect(chart).to_have_attribute("data-points", "8")
    with page.expect_response(lambda answer: "/readings/query" in answer.url):
        page.get_by_text("1 h", exact=True).click()
    expect(page.get_by_text("Loading history")).to_have_count(0)
    expect(chart).to_have_attribute("data-points", "8")
    page.reload()
    expect(chart).to_have_attribute("data-points", "8")
    expect(chart.locator("canvas")).to_be_visible()


def test_readings_on_their_way_to_the_store_join_the_chart(system: System, page: Page) -> None:
    """The store is held up while the page opens: what it takes afterwards is in the chart without a reload."""
    publish(system, "slow", temperature=20)
    eventually(lambda: system.device("slow") and system.get("/api/v1/devices/slow/readings")["data"])
    store = sqlite3.connect(system.data_dir / "readings.db", isolation_level=None)
    store.execute("BEGIN IMMEDIATE")
    for step in range(3):
        publish(system, "slow", temperature=21 + step)
    with page.expect_response(lambda answer: "/readings/query" in answer.url):
        open_live(page, f"{system.http}/#/devices/slow")
    store.execute("ROLLBACK")
    store.close()
    expect(page.locator("[data-chart=temperature]")).to_have_attribute("data-points", "4", timeout=15_000)


def test_a_card_opens_and_closes_by_keyboard(shared_system: System, page: Page) -> None:
    """Enter opens the device, Escape closes it, and the focus is where it was."""
    publish(shared_system, "keys", temperature=1)
    open_live(page, shared_system.http)
    link = page.locator("article[data-device=keys] a")
    link.focus()
    page.keyboard.press("Enter")
    expect(page.locator("[data-part=panel] h2")).to_be_focused()
    assert page.url.endswith("#/devices/keys")
    page.keyboard.press("Escape")
    expect(page.locator("[data-part=panel]")).to_have_count(0)
    expect(link).to_be_focused()


def test_it_says_that_it_reconnects_and_misses_nothing(system: System, page: Page) -> None:
    """While the server is gone the page says so and keeps the values; afterwards the curve has what was missed."""
    publish(system, "steady", temperature=20)
    open_live(page, f"{system.http}/#/devices/steady")
    chart = page.locator("[data-chart=temperature]")
    expect(chart).to_have_attribute("data-points", "1")
    system.stop()
    expect(page.locator("[data-part=connection]")).to_contain_text("Reconnecting")
    expect(chart).to_contain_text("20.0")
    away = page.get_by_role("alert").filter(has_text="does not answer since")
    expect(away).to_be_visible()
    system.start()
    publish(system, "steady", temperature=21)
    page.locator(LIVE).wait_for(timeout=PATIENT_MS)
    publish(system, "steady", temperature=22)
    expect(chart).to_have_attribute("data-points", "3", timeout=PATIENT_MS)
    expect(away).to_have_count(0)


def test_adding_a_device_shows_what_the_api_says(shared_system: System, page: Page) -> None:
    """A refused ID is told at its field; an accepted one is there at once; a taken one is refused by name."""
    publish(shared_system, "there", temperature=1)
    open_live(page, f"{shared_system.http}/#/devices?show=cards")
    add(page, "not a valid id", "Valid name")
    expect(page.locator("[name=device_id]")).to_have_attribute("aria-invalid", "true")
    page.keyboard.press("Escape")
    add(page, "fridge", "Fridge")
    expect(page.locator("article[data-device=fridge]")).to_contain_text("No readings yet")
    add(page, "fridge", "Another")
    expect(page.locator("[data-part=add-device]")).to_contain_text("Device ID already exists")


def add(page: Page, device_id: str, name: str) -> None:
    page.get_by_role("button", name="Add device").click()
    page.locator("[name=device_id]").fill(device_id)
    page.locator("[name=name]").fill(name)
    page.locator("[data-part=add-device] [type=submit]").click()


def test_a_dead_letter_can_be_read(system: System, page: Page) -> None:
    """What could not be stored is counted, and opens with its reason and its first words."""
    system.publish("iot/devices/broken/data", "{not json")
    open_live(page, system.http)
    eventually(lambda: page.locator("[data-figure=dead]").inner_text() == "1")
    page.locator("[data-part=dead-letters]").click()
    letters = page.locator("[data-part=dead-letter-list]")
    expect(letters).to_contain_text("not_json")
    expect(letters).to_contain_text("{not json")


def test_many_devices_cost_only_what_is_seen(system: System, page: Page) -> None:
    """Of 120 devices only those near the window are drawn; search, and scrolling, find the others."""
    for number in range(120):
        publish(system, f"unit-{number:03}", temperature=number)
    open_live(page, system.http)
    expect(page.locator("[data-part=devices-online]")).to_contain_text("120")
    page.get_by_role("link", name="All devices", exact=True).click()
    page.get_by_text("Cards", exact=True).click()
    page.locator("article").first.wait_for()
    assert 0 < page.locator("article").count() < 60
    page.mouse.wheel(0, 100_000)
    page.locator("article[data-device=unit-119]").wait_for()
    page.get_by_label("Search devices").fill("unit-042")
    page.locator("article[data-device=unit-042]").wait_for()
    expect(page.locator("article")).to_have_count(1)


@pytest.mark.parametrize("width", [390, 768, 1280, 2560])
def test_it_fits_every_screen(shared_system: System, page: Page, width: int) -> None:
    """Nothing is wider than the screen, on the first page, on a device's and on that of the dead letters."""
    page.set_viewport_size({"width": width, "height": 900})
    device_id = "a-device-with-a-long-identifier.rack-7.shelf-3"
    publish(shared_system, device_id, temperature=1, humidity=2, pressure=1013.25, co2=412.5)
    shown = {
        "": "article",
        f"#/devices/{device_id}": "[data-part=panel]",
        "#/dead-letters": "[data-part=dead-letter-list]",
        "#/devices": "tr[data-device]",
    }
    for where, part in shown.items():
        open_live(page, f"{shared_system.http}/{where}")
        page.locator(part).first.wait_for(state="attached")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_api_is_described_from_own_files(shared_system: System, page: Page) -> None:
    """Swagger UI comes up at /docs and asks no other host for anything."""
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{shared_system.http}/docs")
    expect(page.locator("#swagger-ui")).to_contain_text("/api/devices")
    assert [url for url in asked if not url.startswith((shared_system.http, "data:"))] == []
