"""The dashboard of an installation: a real Chromium through the proxy's TLS, with every server a process of its own."""

import json
import re
from collections.abc import Callable, Iterator
from typing import Final

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, expect

from services.api.accounts.first import EMAIL
from tests.browser.promptly import shown_within_a_second
from tests.peers.guest import OWN, Guest
from tests.peers.installation import Installation
from tests.peers.outside import FIRST
from tests.peers.talker import Talker
from tests.peers.waiting import eventually

SERVERS: Final = ("mosquitto", "influxd", "postgres", "nginx", "openssl", "chromium", "dashboard")
pytestmark = [pytest.mark.peer(name) for name in SERVERS]

LIVE: Final = "[data-part=connection][data-phase=live]"
LOGIN: Final = "[data-part=login]"
# the line tries again after up to 15 s, and the store is asked again some seconds after that
PATIENT_MS: Final = 40_000
# `#` path → what is there once the page is
PAGES: Final = {
    "/": "[data-figure=received]",
    "/devices": "tr[data-device=seen]",
    "/devices?show=cards": "article[data-device=seen]",
    "/devices/seen": "[data-part=panel]",
    "/devices/seen/knee": "[data-part=no-knee]",
    "/dead-letters": "[data-part=dead-letter-list]",
    "/users": "[data-part=users]",
    "/api-keys": "[data-part=keys]",
    "/settings": "[data-part=sessions] li",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    with Installation(tmp_path_factory.mktemp("installation")) as running:
        yield running


@pytest.fixture(scope="module")
def guest(site: Installation) -> Guest:
    return Guest(site.outside, site.first_password)


@pytest.fixture
def page(browser: Browser, site: Installation, guest: Guest) -> Iterator[Page]:
    """Logged in, and live. Chromium has no file to trust a test's certificate by."""
    assert guest
    context = browser.new_context(viewport={"width": 1280, "height": 860}, ignore_https_errors=True)
    opened = context.new_page()
    opened.goto(site.origin)
    opened.get_by_label("E-mail").fill(EMAIL)
    opened.get_by_label("Password", exact=True).fill(OWN)
    opened.get_by_role("button", name="Log in").click()
    expect(opened.locator(LIVE)).to_be_visible(timeout=PATIENT_MS)
    yield opened
    context.close()


def complaints(page: Page) -> list[str]:
    """From now on: what the console says is wrong, requests that fail, answers that are none."""
    found: list[str] = []

    def said(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            found.append(message.text)

    def failed(request: Request) -> None:
        # whoever leaves a page breaks off what it asked for
        if request.failure != "net::ERR_ABORTED":
            found.append(f"{request.url}: {request.failure}")

    def answered(answer: Response) -> None:
        if answer.status >= 400:
            found.append(f"{answer.url}: {answer.status}")

    page.on("console", said)
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("requestfailed", failed)
    page.on("response", answered)
    return found


def test_every_page_opens_without_a_complaint(site: Installation, guest: Guest, page: Page) -> None:
    """From a cold start by its own address: nothing breaks the policies of api and proxy, and nothing is refused."""
    guest.device("seen")
    guest.ask("POST", "/api/v1/api-keys", {"name": "seen", "scopes": ["read"]}, 201)
    wrong = complaints(page)
    for path, part in PAGES.items():
        page.goto(f"{site.origin}/#{path}")
        page.reload()
        page.locator(LIVE).wait_for()
        page.locator(part).first.wait_for()
        page.wait_for_load_state("networkidle")
        assert wrong == [], path


def test_a_device_made_here_is_seen_within_a_second(site: Installation, page: Page) -> None:
    """Its password, shown once, opens the broker; what the broker acknowledges is seen at once."""
    page.goto(f"{site.origin}/#/devices")
    listed = page.get_by_role("region", name="Devices", exact=True)
    listed.get_by_role("button", name=re.compile("Add (a )?device")).click()
    page.locator("[name=device_id]").fill("made")
    page.locator("[name=name]").fill("Made by hand")
    page.locator("[data-part=add-device] [type=submit]").click()
    page.get_by_role("link", name="Made by hand").click()
    credentials = page.locator("[data-part=credentials]")
    credentials.get_by_role("button", name="Add").click()
    page.locator("[name=credential]").fill(FIRST)
    page.get_by_role("button", name="Make it").click()
    password = page.get_by_label("The password", exact=True).inner_text()
    page.get_by_role("button", name="I have copied it").click()
    expect(credentials.locator(f"[data-credential={FIRST}]")).to_be_visible()
    assert password not in page.content()
    shown = page.locator("[data-part=tiles] [data-metric=temperature]")
    with site.outside.device("made", password) as device:

        def say(temperature: int) -> None:
            assert device.publish("iot/devices/made/data", json.dumps({"temperature": temperature}).encode()) == 0

        shown_within_a_second(shown, say)


def test_restarts_leave_no_hole(site: Installation, guest: Guest, page: Page) -> None:
    """Api, realtime and the broker are restarted while a device talks: the page comes back, and has all of it."""
    password = guest.device("steady")
    page.goto(f"{site.origin}/#/devices/steady")
    chart = page.locator("[data-chart=temperature]")
    with site.outside.device("steady", password) as device, Talker(device, "steady") as talker:
        chart.wait_for()
        live_again(page, talker, site.realtime.stop, site.realtime.start)
        live_again(page, talker, site.api.stop, site.api.start)
        live_again(page, talker, site.stop_broker, site.start_broker)
    expect(chart).to_have_attribute("data-points", str(talker.acknowledged), timeout=PATIENT_MS)
    mean = f"mean {(talker.acknowledged + 1) / 2:.1f} of {talker.acknowledged}"
    expect(chart).to_contain_text(mean)
    page.reload()
    expect(chart).to_contain_text(mean, timeout=PATIENT_MS)


def live_again(page: Page, talker: Talker, stop: Callable[[], object], start: Callable[[], None]) -> None:
    """After a restart, with readings from before, from meanwhile and from afterwards."""
    more(talker)
    stop()
    start()
    page.locator(LIVE).wait_for(timeout=PATIENT_MS)
    more(talker)


def more(talker: Talker) -> None:
    before = talker.acknowledged
    eventually(lambda: talker.acknowledged > before + 3, 15)


def test_a_logout_is_one(site: Installation, page: Page) -> None:
    """A login outlives a reload by a cookie that no script sees; after the logout what was in it opens nothing."""
    page.reload()
    page.locator(LIVE).wait_for()
    assert page.evaluate("document.cookie") == ""
    kept = page.context.cookies()[0]["value"]
    page.get_by_role("button", name="Log out").first.click()
    expect(page.get_by_role("status").filter(has_text="You are logged out")).to_be_visible()
    page.reload()
    expect(page.locator(LOGIN)).to_be_visible()
    assert site.outside.ask("POST", "/api/v1/auth/refresh", {"refresh_token": kept})[0] == 401
