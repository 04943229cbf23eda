"""Overview, devices and dead letters as a fleet's owner uses them: a real Chromium on a running `telemetrio up`."""

import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.promptly import shown_within_a_second
from tests.peers.system import System
from tests.peers.waiting import eventually

pytestmark = [pytest.mark.peer("chromium"), pytest.mark.peer("dashboard")]

LIVE = "[data-part=connection][data-phase=live]"
SLOW_MS = 15_000


def publish(system: System, device_id: str, payload: bytes | str | None = None, **values: float) -> None:
    system.publish(f"iot/devices/{device_id}/data", json.dumps(values) if payload is None else payload)


def add(system: System, *device_ids: str, **more: object) -> None:
    for device_id in device_ids:
        body = {"device_id": device_id, "name": device_id.replace("-", " ").title(), **more}
        status, told = system.request("POST", "/api/v1/devices", body)
        assert status == 201, told


def switch(system: System, device_id: str, *, disabled: bool) -> None:
    assert system.request("PATCH", f"/api/v1/devices/{device_id}", {"disabled": disabled})[0] == 200


def stored(system: System, device_id: str) -> list[float]:
    found = system.get(f"/api/v1/devices/{device_id}/readings?order=desc")["data"]
    return [reading["values"]["temperature"] for reading in found]


def taken(system: System, device_id: str, temperature: float) -> bool:
    """Whether ingest has heard that the device may speak; it is asked by speaking."""
    publish(system, device_id, temperature=temperature)
    return temperature in stored(system, device_id)


def refused(system: System, device_id: str, temperature: float) -> bool:
    publish(system, device_id, temperature=temperature)
    return letters(system, device_id) != []


def letters(system: System, device_id: str) -> list[str]:
    found = system.get(f"/api/v1/dead-letters?device_id={device_id}")["data"]
    return [letter["code"] for letter in found]


def open_live(page: Page, system: System, path: str = "") -> None:
    page.goto(f"{system.http}/#/{path}")
    page.locator(LIVE).wait_for()


def row(page: Page, device_id: str) -> Locator:
    return page.locator(f"tr[data-device='{device_id}']")


def test_the_overview_moves_with_what_arrives(shared_system: System, page: Page) -> None:
    """A reading that is published shows on its card, in the books, in the rate and in the delays, without a reload."""
    publish(shared_system, "moving", temperature=19)
    open_live(page, shared_system)
    value = page.locator("article[data-device=moving] [data-metric=temperature]")
    expect(value).to_contain_text("19.0")
    received = page.locator("[data-figure=received]")
    expect(received).to_contain_text(re.compile(r"\d"))
    before = int(received.inner_text().replace("\u202f", ""))
    shown_within_a_second(value, lambda temperature: publish(shared_system, "moving", temperature=temperature))
    eventually(lambda: int(received.inner_text().replace("\u202f", "")) > before)
    expect(page.locator("[data-part=balance]")).to_contain_text("Books balance")
    expect(page.locator("[data-stage=screen]")).to_contain_text("p99", timeout=SLOW_MS)


def test_what_needs_attention_leads_to_where_it_is_mended(shared_system: System, page: Page) -> None:
    """A dead letter is told by its reason on the overview, and one click from it stand the letter and its mend."""
    publish(shared_system, "careless", "{cut off")
    open_live(page, shared_system)
    page.locator("[data-concern=letters-not_json]").click()
    expect(page.locator("[data-part=explained]")).to_contain_text("no valid JSON")
    expect(page.locator("[data-code=not_json]")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("list", name="Dead letters")).to_contain_text("{cut off")


def test_devices_are_found_by_keyboard_and_the_view_can_be_sent(shared_system: System, page: Page) -> None:
    """Search, status and profile need no mouse; the address has them, and whoever opens it sees the same."""
    add(shared_system, "hall-1", "hall-2", profile="knee")
    publish(shared_system, "hall-2", x=1)
    eventually(lambda: shared_system.eventually_device("hall-2")["status"] == "online")
    open_live(page, shared_system, "devices")
    row(page, "hall-1").wait_for()
    page.get_by_label("Search devices").focus()
    page.keyboard.type("HALL")
    expect(page.locator("tbody tr[data-device]")).to_have_count(2)
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="Online")).to_be_checked()
    expect(page.locator("tbody tr[data-device]")).to_have_count(1)
    page.locator("[name=profile-filter]").focus()
    page.keyboard.type("knee")
    eventually(lambda: "q=HALL" in page.url and "status=online" in page.url and "profile=knee" in page.url)
    page.reload()
    expect(page.locator("tbody tr[data-device]")).to_have_count(1)
    row(page, "hall-2").wait_for()
    page.get_by_role("button", name="Show all").click()
    row(page, "hall-1").wait_for()


def test_a_column_sorts_both_ways(shared_system: System, page: Page) -> None:
    """The name of a column sorts by it, once more turns it round, and the table says so."""
    add(shared_system, "sort-9", "sort-10")
    open_live(page, shared_system, "devices?q=sort-")
    first = page.locator("tbody tr[data-device]").first
    expect(first).to_have_attribute("data-device", "sort-9")
    page.get_by_role("columnheader", name="Device").get_by_role("button").click()
    expect(first).to_have_attribute("data-device", "sort-10")
    expect(page.get_by_role("columnheader", name="Device")).to_have_attribute("aria-sort", "descending")


def test_a_device_is_claimed_changed_and_deleted(shared_system: System, page: Page) -> None:
    """One that registered itself gets a name and a profile, is disabled, and goes, each time where it is seen."""
    publish(shared_system, "walk-in", temperature=1)
    shared_system.eventually_device("walk-in")
    open_live(page, shared_system, "devices?q=walk-in")
    row(page, "walk-in").get_by_role("button", name="Claim").click()
    editor = page.locator("[data-part=device-editor]")
    editor.locator("[name=name]").fill("Door")
    page.keyboard.press("Enter")
    expect(row(page, "walk-in")).to_contain_text("Door")
    row(page, "walk-in").get_by_role("button", name="Edit").click()
    editor.locator("select[name=profile]").select_option("open")
    editor.locator("[name=enabled]").uncheck()
    editor.get_by_role("button", name="Save").click()
    expect(row(page, "walk-in")).to_contain_text("disabled")
    expect(row(page, "walk-in")).to_contain_text("open")
    row(page, "walk-in").get_by_role("button", name="Edit").click()
    editor.get_by_role("button", name="Delete…").click()
    page.get_by_role("button", name="Delete device").click()
    expect(row(page, "walk-in")).to_have_count(0)
    assert shared_system.device("walk-in") is None


def test_a_wrong_change_is_told_at_its_field(shared_system: System, page: Page) -> None:
    """A device without a name is refused, in words, beside the field."""
    add(shared_system, "nameless")
    open_live(page, shared_system, "devices?q=nameless")
    row(page, "nameless").get_by_role("button", name="Edit").click()
    page.locator("[data-part=device-editor] [name=name]").fill(" ")
    page.keyboard.press("Enter")
    expect(page.locator("[data-part=device-editor] [name=name]")).to_have_attribute("aria-invalid", "true")


def test_a_credential_is_shown_once_in_a_line_that_works(shared_system: System, page: Page) -> None:
    """The password stands in the command that publishes with it, is gone afterwards, and can be revoked."""
    add(shared_system, "guarded")
    open_live(page, shared_system, "devices?q=guarded")
    row(page, "guarded").get_by_role("button", name="Edit").click()
    part = page.locator("[data-part=credentials]")
    part.get_by_role("button", name="Make credential").click()
    line = part.get_by_label("Publish with this password", exact=True).inner_text()
    password = part.get_by_label("Password", exact=True).inner_text()
    assert len(password) > 30
    assert f"-u guarded -P {password} " in line
    page.keyboard.press("Escape")
    row(page, "guarded").get_by_role("button", name="Edit").click()
    expect(part).to_contain_text("not used yet")
    expect(part).not_to_contain_text(password)
    part.get_by_role("button", name="Revoke").click()
    part.get_by_role("button", name="Revoke: sure?").click()
    expect(part.locator("li")).to_have_count(0)
    assert shared_system.get("/api/v1/devices/guarded/credentials") == []


def test_many_devices_come_from_a_file_with_one_bad_row(shared_system: System, page: Page, tmp_path: Path) -> None:
    """What would happen is shown first; then the good rows are there, and the bad one can be saved to be mended."""
    fleet = tmp_path / "fleet.csv"
    fleet.write_text('device_id,name\nbulk-1,One\nbulk 2,"Two, the bad"\nbulk-3,Three\n')
    open_live(page, shared_system, "devices")
    page.get_by_role("button", name="Many at once").click()
    part = page.locator("[data-part=bulk]")
    part.locator("[name=file]").set_input_files(fleet)
    expect(part.locator("[data-outcome=added]")).to_contain_text("2 to be added")
    expect(part.locator("[data-outcome=refused]")).to_contain_text("1")
    expect(part.locator("tbody tr").first).to_contain_text("letters, digits")
    assert shared_system.device("bulk-1") is None
    part.get_by_role("button", name="Take 2 rows").click()
    expect(part.locator("[data-outcome=added]")).to_contain_text("2 added")
    with page.expect_download() as saving:
        part.get_by_role("button", name="refused as CSV").click()
    assert saving.value.suggested_filename == "fleet-refused.csv"
    assert saving.value.path().read_text() == 'device_id,name\nbulk 2,"Two, the bad"\n'
    part.get_by_role("button", name="Close").click()
    row(page, "bulk-3").wait_for()


def test_a_file_can_be_dropped(shared_system: System, page: Page) -> None:
    """As well as chosen; one that is no list of devices is refused in words."""
    open_live(page, shared_system, "devices")
    page.get_by_role("button", name="Many at once").click()
    dropped = page.evaluate_handle(
        "() => { const it = new DataTransfer(); it.items.add(new File(['a;b\\n1;2\\n'], 'x.csv')); return it }"
    )
    page.dispatch_event("[data-part=bulk] .drop", "drop", {"dataTransfer": dropped})
    expect(page.locator("[data-part=bulk]").get_by_role("alert")).to_contain_text("separate them by commas")


def test_a_letter_is_driven_again_after_its_cause_is_gone(shared_system: System, page: Page) -> None:
    """While the device is disabled its letter comes back and the page says why; once it is enabled, it is taken."""
    publish(shared_system, "muted", temperature=6)
    shared_system.eventually_device("muted")
    switch(shared_system, "muted", disabled=True)
    eventually(lambda: refused(shared_system, "muted", 7.0))
    open_live(page, shared_system, "dead-letters?device_id=muted&code=device_disabled")
    page.locator("[data-letter] > button").first.click()
    page.get_by_role("button", name="Drive again", exact=True).click()
    told = page.locator("[data-part=mending]")
    expect(told).to_contain_text("1 letter stays", timeout=SLOW_MS)
    switch(shared_system, "muted", disabled=False)
    eventually(lambda: taken(shared_system, "muted", 8.0))
    page.locator("[data-part=redrive-all]").click()
    expect(told).to_contain_text("taken", timeout=SLOW_MS)
    expect(told).not_to_contain_text("stay")
    eventually(lambda: letters(shared_system, "muted") == [])
    eventually(lambda: 7.0 in stored(shared_system, "muted"))


def test_a_letter_is_read_as_bytes_and_discarded(shared_system: System, page: Page) -> None:
    """What no text is stands in hex; after a question it is given up, and the page says so."""
    publish(shared_system, "binary", b"\xff\xfe\x00ok")
    eventually(lambda: letters(shared_system, "binary"))
    open_live(page, shared_system, "dead-letters?device_id=binary")
    page.locator("[data-letter] > button").first.click()
    page.get_by_text("Hex", exact=True).click()
    expect(page.locator("[data-part=payload-hex]")).to_contain_text("ff fe 00 6f 6b")
    page.get_by_role("button", name="Discard…").first.click()
    page.get_by_role("button", name="Cancel").click()
    assert letters(shared_system, "binary") == ["not_utf8"]
    page.locator("[data-part=discard-all]").click()
    page.get_by_role("button", name="Discard letter").click()
    expect(page.locator("[data-part=mending]")).to_contain_text("1 letter discarded", timeout=SLOW_MS)
    assert letters(shared_system, "binary") == []


def test_letters_are_searched(shared_system: System, page: Page) -> None:
    """What is typed finds them by device, topic and reason; what finds nothing says how to see all."""
    publish(shared_system, "seeker", "[[[")
    eventually(lambda: letters(shared_system, "seeker"))
    open_live(page, shared_system, "dead-letters")
    page.get_by_label("Search dead letters").focus()
    page.keyboard.type("devices/SEEK")
    expect(page.locator("[data-letter]")).to_have_count(1)
    expect(page.locator("[data-letter]")).to_contain_text("seeker")
    page.keyboard.type("?")
    expect(page.get_by_text("No letter matches")).to_be_visible()
    page.get_by_role("button", name="Show all").click()
    page.locator("[data-letter]").first.wait_for()
