"""axe-core over every page of the dashboard, light and dark: nothing that keeps somebody out."""

import json
from collections.abc import Iterator
from typing import Final, NamedTuple

import pytest
from playwright.sync_api import Browser, Page

from tests.peers.guarded import ADMIN, PASSWORD, Guarded
from tests.peers.programs import PEERS

pytestmark = [pytest.mark.peer("chromium"), pytest.mark.peer("dashboard"), pytest.mark.peer("axe")]

AXE: Final = """async () => (await axe.run({ resultTypes: ["violations"] })).violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes.map(({ target }) => target.join(" ")).join(", ")}`)
"""


class Shown(NamedTuple):
    """A page is there when `part` is; `click` then opens a dialog of it, by the name of a button."""

    path: str
    part: str
    click: str = ""

    def __str__(self) -> str:
        return f"{self.path} {self.click}".strip()


PAGES: Final = (
    Shown("/", "article"),
    Shown("/devices", "tr[data-device]"),
    Shown("/devices?show=cards", "article"),
    pytest.param(Shown("/devices", "tr[data-device]", "Add device"), marks=pytest.mark.long),
    pytest.param(Shown("/devices", "tr[data-device]", "Edit Seen"), marks=pytest.mark.long),
    pytest.param(Shown("/devices", "tr[data-device]", "Many at once"), marks=pytest.mark.long),
    Shown("/devices/seen", "[data-part=facts] button:enabled"),
    Shown("/dead-letters", "[data-part=dead-letter-list]"),
    Shown("/users", "[data-part=users]"),
    pytest.param(Shown("/users", "[data-part=users]", "Add user"), marks=pytest.mark.long),
    pytest.param(Shown("/users", "[data-part=users]", "Edit seen"), marks=pytest.mark.long),
    Shown("/api-keys", "[data-part=keys]"),
    pytest.param(Shown("/api-keys", "[data-part=keys]", "Make a key"), marks=pytest.mark.long),
    pytest.param(Shown("/api-keys", "[data-part=keys]", "Revoke seen"), marks=pytest.mark.long),
    Shown("/settings", "[data-part=sessions] li"),
    Shown("/no-such-page", "main h2"),
)


@pytest.fixture(scope="module")
def indoors(browser: Browser, guarded: Guarded) -> Iterator[Page]:
    """Logged in as the administrator, with one of everything to be seen."""
    guarded.ask("POST", "/api/devices", {"device_id": "seen", "name": "Seen"})
    guarded.add_user("seen@example.org")
    guarded.ask("POST", "/api/v1/api-keys", {"name": "seen", "scopes": ["read"]})
    context = browser.new_context(viewport={"width": 1280, "height": 860}, reduced_motion="reduce")
    page = context.new_page()
    page.goto(guarded.http)
    page.get_by_label("E-mail").fill(ADMIN)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.locator("[data-part=connection][data-phase=live]").wait_for()
    page.evaluate(axe_core())
    yield page
    context.close()


def axe_core() -> str:
    found = PEERS["axe"]()
    assert found is not None
    return found.read_text()


def findings(page: Page) -> dict[str, list[str]]:
    """By theme."""
    page.emulate_media(color_scheme="light")
    light = page.evaluate(AXE)
    page.emulate_media(color_scheme="dark")
    return {"light": light, "dark": page.evaluate(AXE)}


@pytest.mark.parametrize("shown", PAGES, ids=str)
def test_nothing_serious_keeps_somebody_out(indoors: Page, guarded: Guarded, shown: Shown) -> None:
    """Contrast, names, roles, focus: axe-core finds nothing serious or critical on this page, light or dark."""
    indoors.goto(f"{guarded.http}/#{shown.path}")
    indoors.locator(shown.part).first.wait_for()
    if shown.click:
        indoors.get_by_role("button", name=shown.click).click()
        indoors.get_by_role("dialog").wait_for()
    found = findings(indoors)
    if shown.click:
        indoors.keyboard.press("Escape")
    assert found == {"light": [], "dark": []}, json.dumps(found, indent=2)


def test_nothing_serious_keeps_somebody_out_of_the_login(guarded: Guarded, page: Page) -> None:
    """The same for those who have yet to log in, with an error shown, and for those who must change their password."""
    guarded.add_user("axe@example.org", must_change=True)
    page.emulate_media(reduced_motion="reduce")
    page.goto(guarded.http)
    page.get_by_label("E-mail").fill("axe@example.org")
    page.get_by_label("Password", exact=True).fill("not the sentence")
    page.get_by_role("button", name="Log in").click()
    page.get_by_role("alert").wait_for()
    page.evaluate(axe_core())
    assert findings(page) == {"light": [], "dark": []}
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()
    page.locator("[data-part=password]").wait_for()
    assert findings(page) == {"light": [], "dark": []}
