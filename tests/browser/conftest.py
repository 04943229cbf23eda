"""A real Chromium for the tests of this folder, with a fresh profile for each test and every page error collected."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.peers.guarded import Guarded
from tests.peers.programs import PEERS

QUIET = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    found = PEERS["chromium"]()
    assert found is not None
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=str(found), args=list(QUIET))
        yield running
        running.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page on which no script may fail and nothing may break the content security policy; so its other tabs."""
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    broken: list[str] = []
    context.on("weberror", lambda failed: broken.append(str(failed.error)))
    context.on("console", lambda said: broken.append(said.text) if "Content Security Policy" in said.text else None)
    yield context.new_page()
    context.close()
    assert broken == []


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """One `telemetrio up` with a login, for all files here that keep out of each other's way by users' addresses."""
    running = Guarded(tmp_path_factory.mktemp("guarded") / "data")
    running.start()
    yield running
    running.stop()
