"""Pictures of the dashboard, from a demo with a quarter of an hour behind it. See scripts/screenshots."""

import json
import random
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import groupby, islice, product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final, Literal, NamedTuple

from playwright.sync_api import Browser, sync_playwright

from telemetrio.demo import DEVICES, DemoDevice, reading
from tests.browser.conftest import QUIET
from tests.peers.programs import PEERS
from tests.peers.system import System
from tests.peers.waiting import eventually

Theme = Literal["light", "dark"]
BEHIND_S: Final = 15 * 60
EVERY_S: Final = 2
AT_ONCE: Final = 100
SHARP: Final = 2
LIVE: Final = "[data-part=connection][data-phase=live]"
BUSY: Final = "() => Number(document.querySelector('[data-part=rate] strong')?.textContent) >= 4"
PATHS: Final = {
    "overview": "/",
    "devices": "/devices",
    "device": "/devices/demo-greenhouse",
    "dead-letters": "/dead-letters",
    "users": "/users",
    "api-keys": "/api-keys",
    "settings": "/settings",
}


class Picture(NamedTuple):
    name: str
    theme: Theme
    width: int
    height: int

    def look(self) -> tuple[str, int]:
        return self.theme, self.width

    @property
    def file(self) -> str:
        return f"{self.name}-{self.theme}-{self.width}.png"


README: Final = (
    Picture("overview", "light", 1280, 800),
    Picture("device", "dark", 1280, 800),
    Picture("device", "light", 390, 844),
)


def every_picture() -> Iterator[Picture]:
    """Each page as it looks on a phone, a laptop and a wall, in both themes."""
    themes: tuple[Theme, ...] = ("light", "dark")
    for name, theme, (width, height) in product(PATHS, themes, ((390, 844), (1280, 800), (2560, 1440))):
        yield Picture(name, theme, width, height)


def past(device: DemoDevice) -> Iterator[dict[str, object]]:
    """What it would have sent, had it been there."""
    noise, now_s = random.Random(device.device_id), time.time()
    for age_s in range(BEHIND_S, 0, -EVERY_S):
        at_s = now_s - age_s
        yield {"timestamp": datetime.fromtimestamp(at_s, UTC).isoformat(), **reading(device, at_s, noise)}


def fill(system: System) -> None:
    for device in DEVICES:
        samples = past(device)
        while part := list(islice(samples, AT_ONCE)):
            system.publish(f"iot/devices/{device.device_id}/data", json.dumps(part))
        name = device.device_id.removeprefix("demo-").replace("-", " ").capitalize()
        system.request("POST", "/api/devices", {"device_id": device.device_id, "name": name})
    system.publish("iot/devices/demo-old-sensor/data", '{"temperature": ')
    eventually(lambda: system.get("/api/v1/ingest/books")["total"]["dead_lettered"] == 1)


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
    page.locator(LIVE).wait_for()
    page.wait_for_function(BUSY)
    for picture in pictures:
        page.goto(f"{system.http}/#{PATHS[picture.name]}")
        page.wait_for_load_state("networkidle")
        # what came with the last answer is drawn twice a second
        page.wait_for_timeout(1_000)
        page.screenshot(path=folder / picture.file)
        sys.stdout.write(f"{folder / picture.file}\n")
    context.close()


def main(words: list[str]) -> None:
    pictures = list(every_picture()) if "--all" in words else list(README)
    folder = Path(next((word for word in words if not word.startswith("-")), "build/screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    found = PEERS["chromium"]()
    if found is None:
        sys.exit("screenshots: no Chromium here: sudo scripts/peers installs it")
    with TemporaryDirectory() as data, sync_playwright() as playwright:
        system = System(Path(data) / "data", "--demo")
        system.start()
        try:
            fill(system)
            browser = playwright.chromium.launch(executable_path=str(found), args=list(QUIET))
            for _, alike in groupby(sorted(pictures, key=Picture.look), key=Picture.look):
                take(browser, system, list(alike), folder)
            browser.close()
        finally:
            system.stop()


if __name__ == "__main__":
    main(sys.argv[1:])
