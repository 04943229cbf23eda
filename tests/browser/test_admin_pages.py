"""Users, API keys and settings in a real Chromium: what is clicked holds for the API, too."""

import pytest
from playwright.sync_api import Page, expect

from tests.peers.guarded import ADMIN, AUTH, PASSWORD, Guarded

pytestmark = [pytest.mark.peer("chromium"), pytest.mark.peer("dashboard")]


@pytest.fixture
def site(guarded: Guarded) -> Guarded:
    return guarded


def inside(page: Page, site: Guarded, where: str, email: str = ADMIN) -> None:
    page.goto(f"{site.http}/#{where}")
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Log in").click()


def status(site: Guarded, email: str, password: str) -> int:
    return site.request("POST", f"{AUTH}/login", {"email": email, "password": password})[0]


def test_a_user_is_added_disabled_and_given_a_new_password(site: Guarded, page: Page) -> None:
    """The password that is shown once opens; disabled it does not; a reset one does, and the old one no longer."""
    inside(page, site, "/users")
    page.get_by_role("button", name="Add user").click()
    page.get_by_label("E-mail").fill("no address")
    page.get_by_role("dialog").get_by_role("button", name="Add user").click()
    expect(page.get_by_label("E-mail")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("E-mail").fill("ann@example.org")
    page.get_by_role("dialog").get_by_role("button", name="Add user").click()
    first = page.get_by_label("Password for one login", exact=True).inner_text()
    page.get_by_role("button", name="Done").click()
    row = page.locator("[data-user='ann@example.org']")
    expect(row).to_contain_text("Must change password")
    assert site.log_in("ann@example.org", first)["user"]["must_change_password"]
    row.get_by_role("button", name="Disable").click()
    page.locator("[data-part=confirm]").get_by_role("button", name="Disable").click()
    expect(row).to_contain_text("Disabled")
    assert status(site, "ann@example.org", first) == 401
    row.get_by_role("button", name="Enable").click()
    expect(row).not_to_contain_text("Disabled")
    row.get_by_role("button", name="Set a new password").click()
    page.get_by_role("button", name="Set password").click()
    second = page.get_by_label("Password for one login", exact=True).inner_text()
    assert [status(site, "ann@example.org", word) for word in (first, second)] == [401, 200]


def test_a_role_is_changed_and_the_last_administrator_stays(site: Guarded, page: Page) -> None:
    """Another administrator can be made, and what the API refuses is told in the dialog."""
    site.add_user("bob@example.org")
    inside(page, site, "/users")
    page.get_by_role("button", name="Edit bob").click()
    page.get_by_label("Administrator").check()
    page.get_by_role("button", name="Save").click()
    expect(page.locator("[data-user='bob@example.org']")).to_contain_text("Administrator")
    page.get_by_role("button", name="Edit bob").click()
    page.get_by_label("E-mail").fill(ADMIN)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog")).to_contain_text("There is a user with this address")


def test_a_key_is_shown_once_opens_and_is_revoked(site: Guarded, page: Page) -> None:
    """It does what its scopes say until it is revoked; afterwards the list still knows it."""
    site.add_user("key@example.org")
    inside(page, site, "/api-keys", "key@example.org")
    page.get_by_role("button", name="Make a key").click()
    expect(page.get_by_label("Act as an administrator")).to_have_count(0)
    page.get_by_label("Name").fill("grafana")
    page.get_by_role("button", name="Make key").click()
    key = page.get_by_label("API key", exact=True).inner_text()
    page.get_by_role("button", name="Done").click()
    assert site.request("GET", "/api/v1/devices", Authorization=f"Bearer {key}")[0] == 200
    row = page.locator("[data-key=grafana]")
    expect(row).to_contain_text("read")
    assert key not in page.content()
    row.get_by_role("button", name="Revoke").click()
    page.locator("[data-part=confirm]").get_by_role("button", name="Revoke").click()
    expect(row).to_contain_text("revoked")
    assert site.request("GET", "/api/v1/devices", Authorization=f"Bearer {key}")[0] == 401


def test_one_changes_ones_password_and_logs_out_elsewhere(site: Guarded, page: Page) -> None:
    """Another session can be seen and ended; the new password holds, and this page stays logged in."""
    site.add_user("own@example.org")
    elsewhere = site.log_in("own@example.org")["access_token"]
    inside(page, site, "/settings", "own@example.org")
    sessions = page.locator("[data-part=sessions] li")
    expect(sessions).to_have_count(2)
    page.get_by_role("button", name="Log out everywhere else").click()
    expect(sessions).to_have_count(1)
    assert site.request("GET", f"{AUTH}/me", Authorization=f"Bearer {elsewhere}")[0] == 401
    page.get_by_label("Current password", exact=True).fill("not this one")
    page.get_by_label("New password", exact=True).fill("another sentence of mine")
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_label("Current password", exact=True)).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Current password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Change password").click()
    expect(page.get_by_text("Your password is changed")).to_be_visible()
    assert status(site, "own@example.org", "another sentence of mine") == 200


def test_the_time_zone_is_kept_in_this_browser(site: Guarded, page: Page) -> None:
    """A chosen zone is there again after a reload."""
    inside(page, site, "/settings")
    page.get_by_role("combobox", name="Time zone").select_option("Asia/Tokyo")
    page.reload()
    expect(page.get_by_role("combobox", name="Time zone")).to_have_value("Asia/Tokyo")
    expect(page.get_by_text("there.")).to_contain_text("GMT+9")
