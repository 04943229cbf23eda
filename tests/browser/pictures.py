"""Pictures of the dashboard, from a demo with a quarter of an hour behind it. See scripts/screenshots."""

import sys
from collections.abc import Iterator
from itertools import groupby, product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal, NamedTuple

from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.conftest import QUIET
from tests.browser.scenery import KNEE, NEW, fill, furnish
from tests.peers.guarded import ADMIN, PASSWORD, Guarded
from tests.peers.programs import PEERS
from tests.peers.system import System
from tests.peers.waiting import eventually

Theme = Literal["light", "dark"]
# a demo; one on its first day, behind a login; the same with a device that has yet to speak
State = Literal["full", "empty", "silent"]
SHARP: Final = 2
LIVE: Final = "[data-part=connection][data-phase=live]"
BUSY: Final = "() => Number(document.querySelector('[data-part=rate] strong')?.textContent) >= 4"
OPEN_FOR_MS: Final = 20_000
"""Until the rate has a line to show."""
LOGIN: Final = "login"
PATHS: Final[dict[State, dict[str, str]]] = {
    "full": {
        "overview": "/",
        "devices": "/devices",
        "cards": "/devices?show=cards",
        "device": "/devices/demo-greenhouse",
        "knee": f"/devices/{KNEE}/knee",
        "dead-letters": "/dead-letters",
        "users": "/users",
        "api-keys": "/api-keys",
        "settings": "/settings",
    },
    "empty": {
        LOGIN: "/",
        "overview": "/",
        "devices": "/devices",
        "dead-letters": "/dead-letters",
        "users": "/users",
        "api-keys": "/api-keys",
        "settings": "/settings",
        "unknown": "/no-such-page",
    },
    "silent": {"overview": "/", "devices": "/devices", "device": f"/devices/{NEW}", "knee": f"/devices/{NEW}/knee"},
}


class Picture(NamedTuple):
    name: str
    theme: Theme
    width: int
    height: int
    state: State = "full"

    def look(self) -> tuple[Theme, int]:
        return self.theme, self.width

    @property
    def path(self) -> str:
        return PATHS[self.state][self.name]

    @property
    def file(self) -> str:
        state = "" if self.state == "full" else f"-{self.state}"
        return f"{self.name}{state}-{self.theme}-{self.width}.png"


README: Final = (
    Picture("overview", "light", 1280, 800),
    Picture("device", "dark", 1280, 800),
)


def every_picture() -> Iterator[Picture]:
    """Each page as it looks on a phone, a laptop and a wall, in both themes, with much on it and with nothing."""
    themes: tuple[Theme, ...] = ("light", "dark")
    for state, paths in PATHS.items():
        for theme, (width, height), name in product(themes, ((390, 844), (1280, 800), (2560, 1440)), paths):
            yield Picture(name, theme, width, height, state)


def take(browser: Browser, system: System, pictures: list[Picture], folder: Path) -> None:
    """Those of one theme and one width, in one page that has been open for a while."""
    first = pictures[0]
    context = browser.new_context(
        viewport={"width": first.width, "height": first.height},
        color_scheme=first.theme,
        device_scale_factor=SHARP,
        reduced_motion="reduce",
    )
    page = context.new_page()
    page.goto(system.http)
    if first.name == LOGIN:
        save(page, folder / pictures.pop(0).file)
    if first.state != "full":
        page.get_by_label("E-mail").fill(ADMIN)
        page.get_by_label("Password", exact=True).fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
    page.locator(LIVE).wait_for()
    if first.state == "full":
        page.wait_for_function(BUSY)
        page.wait_for_timeout(OPEN_FOR_MS)
    for picture in pictures:
        page.goto(f"{system.http}/#{picture.path}")
        save(page, folder / picture.file)
    context.close()


def save(page: Page, path: Path) -> None:
    page.wait_for_load_state("networkidle")
    # what came with the last answer is drawn twice a second
    page.wait_for_timeout(1_000)
    page.screenshot(path=path)
    sys.stdout.write(f"{path}\n")


def take_all(browser: Browser, system: System, pictures: list[Picture], folder: Path) -> None:
    for _, alike in groupby(pictures, key=Picture.look):
        take(browser, system, list(alike), folder)


def main(words: list[str]) -> None:
    pictures = list(every_picture()) if "--all" in words else list(README)
    folder = Path(next((word for word in words if not word.startswith("-")), "build/screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    found = PEERS["chromium"]()
    if found is None:
        sys.exit("screenshots: no Chromium here: sudo scripts/peers installs it")
    with TemporaryDirectory() as data, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(found), args=list(QUIET))
        demo = System(Path(data) / "demo", "--demo")
        demo.start()
        try:
            fill(demo)
            if "--all" in words:
                furnish(demo)
            eventually(lambda: everyday(demo), 90)
            take_all(browser, demo, [one for one in pictures if one.state == "full"], folder)
        finally:
            demo.stop()
        if "--all" in words:
            first_day(browser, Guarded(Path(data) / "first"), pictures, folder)
        browser.close()


def everyday(system: System) -> bool:
    """Whether what was sent at once, as if it had been there, is out of the minute over which stages are told."""
    (told,) = system.get("/api/v1/ingest/stages")["sources"]
    return all(stage["p99_ms"] < 1_000 for stage in told["stages"])


def first_day(browser: Browser, system: Guarded, pictures: list[Picture], folder: Path) -> None:
    system.start()
    try:
        take_all(browser, system, [one for one in pictures if one.state == "empty"], folder)
        system.ask("POST", "/api/v1/devices", {"device_id": NEW, "name": "Just unpacked"})
        take_all(browser, system, [one for one in pictures if one.state == "silent"], folder)
    finally:
        system.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
