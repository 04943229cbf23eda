"""Logging in and out of the dashboard: a real Chromium on a `telemetrio up` that asks who is there."""

import pytest
from playwright.sync_api import Page, Route, expect

from tests.peers.guarded import ADMIN, AUTH, PASSWORD, Guarded

pytestmark = [pytest.mark.peer("chromium"), pytest.mark.peer("dashboard")]

LIVE = "[data-part=connection][data-phase=live]"
LOGIN = "[data-part=login]"


@pytest.fixture
def site(guarded: Guarded) -> Guarded:
    return guarded


def log_in(page: Page, email: str, password: str = PASSWORD) -> None:
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password", exact=True).fill(password)
    page.get_by_role("button", name="Log in").click()


def inside(page: Page, site: Guarded, email: str, where: str = "/") -> None:
    """Logged in, on this page, with the live connection."""
    page.goto(f"{site.http}/#{where}")
    log_in(page, email)
    page.locator(LIVE).wait_for()


def refuse_once(page: Page, path: str) -> list[int]:
    """The next request to this path carries a token that is worth nothing; returns the statuses of all that follow."""
    seen: list[int] = []

    def spoil(route: Route) -> None:
        route.continue_(headers={**route.request.headers, "authorization": "Bearer worth.no.thing"})

    page.on("response", lambda answer: seen.append(answer.status) if answer.url.endswith(path) else None)
    page.route(f"**{path}", spoil, times=1)
    return seen


def test_by_keyboard_alone_to_where_one_wanted(site: Guarded, page: Page) -> None:
    """A deep link asks for a login first, whose form is filled without a mouse, and then shows what it named."""
    page.goto(f"{site.http}/#/dead-letters")
    expect(page.get_by_label("E-mail")).to_be_focused()
    page.keyboard.type(ADMIN)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Dead letters", exact=True)).to_be_visible()
    assert page.url.endswith("#/dead-letters")
    page.locator(LIVE).wait_for()


def test_a_wrong_password_is_told_and_costs_nothing_typed(site: Guarded, page: Page) -> None:
    """The address stays, the password has the focus, and the right one then opens."""
    page.goto(site.http)
    log_in(page, ADMIN, "not the sentence")
    expect(page.get_by_role("alert")).to_have_text("Wrong address or password")
    expect(page.get_by_label("E-mail")).to_have_value(ADMIN)
    expect(page.get_by_label("Password", exact=True)).to_be_focused()
    log_in(page, ADMIN)
    page.locator(LIVE).wait_for()


def test_a_password_for_one_login_is_changed_at_once(site: Guarded, page: Page) -> None:
    """Whoever came with it sees nothing before they chose their own; a bad choice is told at its field."""
    site.add_user("new@example.org", must_change=True)
    page.goto(f"{site.http}/#/settings")
    log_in(page, "new@example.org")
    expect(page.get_by_role("heading", name="Choose a password")).to_be_visible()
    page.goto(f"{site.http}/#/devices")
    expect(page.get_by_role("heading", name="Choose a password")).to_be_visible()
    page.get_by_label("New password", exact=True).fill("short")
    page.keyboard.press("Enter")
    expect(page.get_by_label("New password", exact=True)).to_have_attribute("aria-invalid", "true")
    page.get_by_label("New password", exact=True).fill("my own sentence")
    page.keyboard.press("Enter")
    page.locator(LIVE).wait_for()
    assert page.url.endswith("#/devices")
    assert not site.log_in("new@example.org", "my own sentence")["user"]["must_change_password"]


def test_a_reload_stays_logged_in_and_no_script_can_read_why(site: Guarded, page: Page) -> None:
    """The refresh token is in a cookie for the server alone; no storage of the page holds any token."""
    inside(page, site, ADMIN)
    page.reload()
    page.locator(LIVE).wait_for()
    assert page.evaluate("document.cookie") == ""
    kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}])")
    assert [secret for secret in ("rt_", "eyJ") if secret in kept] == []


def test_a_token_that_is_over_is_replaced_unseen(site: Guarded, page: Page) -> None:
    """Refused, or a quarter of an hour old: the page gets another token and asks again, and nobody notices."""
    page.clock.install()
    inside(page, site, ADMIN)
    seen = refuse_once(page, f"{AUTH}/sessions")
    page.get_by_role("link", name="Settings").click()
    page.locator("[data-part=sessions] li").first.wait_for()
    assert (seen[0], seen[-1]) == (401, 200)
    page.get_by_role("link", name="API keys").click()
    with page.expect_response(f"**{AUTH}/refresh") as renewed:
        page.clock.fast_forward("15:00")
        page.get_by_role("link", name="Settings").click()
    assert renewed.value.status == 200
    page.locator("[data-part=sessions] li").first.wait_for()


def test_two_tabs_are_one_login(site: Guarded, page: Page) -> None:
    """A login lets both in, both may renew at once without ending the session, and a logout shows both the door."""
    site.add_user("tabs@example.org")
    other = page.context.new_page()
    other.goto(f"{site.http}/#/api-keys")
    expect(other.locator(LOGIN)).to_be_visible()
    inside(page, site, "tabs@example.org")
    expect(other.get_by_role("heading", name="API keys")).to_be_visible()
    for tab in (page, other):
        refuse_once(tab, f"{AUTH}/sessions")
    for tab in (page, other):
        tab.get_by_role("link", name="Settings").click()
    for tab in (page, other):
        expect(tab.locator("[data-part=sessions] li")).to_have_count(1)
    other.reload()
    expect(other.locator("[data-part=sessions] li")).to_have_count(1)
    page.get_by_role("button", name="Log out").first.click()
    for tab in (page, other):
        expect(tab.get_by_role("status").filter(has_text="You are logged out")).to_be_visible()
    other.close()


def test_who_is_sent_away_comes_back_to_where_they_were(site: Guarded, page: Page) -> None:
    """A session that was ended from elsewhere says so, asks for a login, and goes on at the same page."""
    user = site.add_user("away@example.org")
    inside(page, site, "away@example.org", "/devices")
    site.ask("PATCH", f"/api/v1/users/{user['id']}", {"disabled": True})
    site.ask("PATCH", f"/api/v1/users/{user['id']}", {"disabled": False})
    expect(page.get_by_role("status").filter(has_text="Your session has ended")).to_be_visible(timeout=15_000)
    log_in(page, "away@example.org")
    page.locator(LIVE).wait_for()
    assert page.url.endswith("#/devices")


def test_what_is_for_administrators_is_for_nobody_else(site: Guarded, page: Page) -> None:
    """A plain user has no way to the users, and by its address finds no such page; the books are never asked for."""
    site.add_user("plain@example.org")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    inside(page, site, "plain@example.org")
    expect(page.get_by_role("link", name="API keys")).to_be_visible()
    expect(page.get_by_role("link", name="Users")).to_have_count(0)
    page.goto(f"{site.http}/#/users")
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    assert not [url for url in asked if "/users" in url.partition("#")[0] or "/ingest/" in url]


def test_who_could_not_be_logged_out_is_told(site: Guarded, page: Page) -> None:
    """A logout that fails says that one is still in, and why; the next try leads out."""
    site.add_user("staying@example.org")
    inside(page, site, "staying@example.org")
    page.route(f"**{AUTH}/logout", lambda it: it.fulfill(status=503, json={"message": "The database is away"}))
    page.get_by_role("button", name="Log out").first.click()
    expect(page.get_by_role("alert")).to_have_text("You are still logged in. The database is away")
    page.unroute(f"**{AUTH}/logout")
    page.get_by_role("button", name="Log out").first.click()
    expect(page.get_by_role("status").filter(has_text="You are logged out")).to_be_visible()


def test_a_server_that_refuses_at_the_door_says_why(site: Guarded, page: Page) -> None:
    """What it says stands on the page, which does not claim that nobody answers; once it lets in, it is gone."""
    no = {"message": "This page's origin is not allowed", "code": "origin_not_allowed"}
    page.route(f"**{AUTH}/refresh", lambda it: it.fulfill(status=403, json=no))
    page.goto(site.http)
    expect(page.get_by_role("alert")).to_have_text("This page's origin is not allowed")
    page.unroute(f"**{AUTH}/refresh")
    expect(page.locator(LOGIN)).to_be_visible()
    expect(page.get_by_role("alert")).to_have_count(0)
