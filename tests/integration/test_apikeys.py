"""/api/v1/api-keys: what a key may, and what ends it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.api.apikeys.routes import MOST
from services.api.apikeys.schemas import Keys, MadeKey
from shared.tickets import verify
from tests.integration.accounts_rig import ADMIN, ANN, AUTH, BOB, SECRET, Accounts, required

KEYS = "/api/v1/api-keys"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Accounts]:
    async with required(tmp_path) as given:
        yield given


async def test_a_key_is_shown_once(site: Accounts) -> None:
    """Neither the list nor the database has it; the list has how it begins."""
    token = await site.token()
    made = await site.post(KEYS, {"name": "grafana", "scopes": ["write", "read"], "expires_in_days": 1}, token)
    told = MadeKey.model_validate(made.json, extra="forbid")
    assert (told.scopes, told.key.startswith(told.hint), len(told.hint)) == (["read", "write"], True, 9)
    assert told.expires_at == "2026-01-02T12:00:00.000000000Z"
    listed = await site.get(KEYS, token)
    assert Keys.model_validate(listed.json, extra="forbid").root[0].name == "grafana"
    assert told.key not in listed.body.decode()
    assert told.key not in str(await site.api.rows("SELECT * FROM api_keys"))
    assert told.key not in str(await site.api.rows("SELECT * FROM audit"))


async def test_both_ways_to_show_a_key(site: Accounts) -> None:
    """As a bearer token and in X-API-Key; when it was last used is seen, to the minute."""
    token = await site.token()
    key = await site.key(token, "read")
    assert (await site.get("/api/devices", key)).status == 200
    assert (await site.get(KEYS, token)).json[0]["last_used_at"] == "2026-01-01T12:00:00.000000000Z"
    site.clock.forward(30)
    assert (await site.ask("GET", "/api/devices", headers={"X-API-Key": key})).status == 200
    assert (await site.get(KEYS, token)).json[0]["last_used_at"] == "2026-01-01T12:00:00.000000000Z"
    site.clock.forward(31)
    await site.get("/api/devices", key)
    assert (await site.get(KEYS, token)).json[0]["last_used_at"] == "2026-01-01T12:01:01.000000000Z"


async def test_a_revoked_key_stops_at_once(site: Accounts) -> None:
    """Also in the hands of whoever has it; it stays in the list."""
    token = await site.token()
    key = await site.key(token, "read")
    assert (await site.ask("DELETE", f"{KEYS}/1", token)).status == 204
    refused = await site.get("/api/devices", key)
    assert (refused.status, refused.json["code"]) == (401, "invalid_key")
    revoked = (await site.get(KEYS, token)).json[0]["revoked_at"]
    site.clock.forward(5)
    assert (await site.ask("DELETE", f"{KEYS}/1", token)).status == 204
    assert (await site.get(KEYS, token)).json[0]["revoked_at"] == revoked


async def test_a_key_ends_with_its_time(site: Accounts) -> None:
    """To the moment."""
    key = await site.key(await site.token(), "read", expires_in_days=1)
    site.clock.forward(86_399)
    assert (await site.get("/api/devices", key)).status == 200
    site.clock.forward(1)
    assert (await site.get("/api/devices", key)).status == 401


async def test_a_key_may_what_its_scopes_say(site: Accounts) -> None:
    """`read` is GET, `write` the rest, `live` tickets; none of them implies another."""
    token = await site.token()
    may = {scope: await site.key(token, scope) for scope in ("read", "write", "live")}
    item = {"name": "n"}
    for scope, key in may.items():
        answers = {
            "read": await site.get("/api/v1/items", key),
            "write": await site.post("/api/v1/items", item, key),
            "live": await site.post("/api/v1/live/ticket", {}, key),
        }
        for needed, answer in answers.items():
            assert (answer.status < 300) == (scope == needed), (scope, needed)
            assert answer.status < 300 or answer.json["code"] == "scope_missing"


async def test_an_administrators_key_is_a_users_without_the_scope(site: Accounts) -> None:
    """It sees what is its owner's; with `admin` everybody's, and the routes of administrators, in its other scopes."""
    boss = await site.token(ADMIN)
    await site.api.add_devices("hers", user_id=2)
    plain, full = await site.key(boss, "read"), await site.key(boss, "read", "admin")
    assert (await site.get("/api/devices", plain)).json == []
    assert (await site.get("/api/v1/audit", plain)).json["code"] == "admin_only"
    assert [device["device_id"] for device in (await site.get("/api/devices", full)).json] == ["hers"]
    assert (await site.get("/api/v1/audit", full)).status == 200
    assert (await site.post("/api/v1/profiles", {"name": "p"}, full)).json["code"] == "scope_missing"


async def test_nobody_makes_a_key_that_may_more(site: Accounts) -> None:
    """A user none of an administrator's; a key none at all, and no other password either."""
    token = await site.token()
    refused = await site.post(KEYS, {"name": "k", "scopes": ["admin"]}, token)
    assert (refused.status, refused.json["code"]) == (403, "admin_only")
    key = await site.key(token, "read", "write", "live")
    for method, path in (("GET", KEYS), ("POST", KEYS), ("DELETE", f"{KEYS}/1"), ("POST", f"{AUTH}/password")):
        refused = await site.ask(method, path, key, json={})
        assert (refused.status, refused.json["code"]) == (403, "login_required")


async def test_keys_belong_to_their_users(site: Accounts) -> None:
    """Another's looks like none; an administrator sees and revokes all."""
    await site.key(await site.token(ANN), "read")
    bob, boss = await site.token(BOB), await site.token(ADMIN)
    assert (await site.get(KEYS, bob)).json == []
    hers, none = await site.ask("DELETE", f"{KEYS}/1", bob), await site.ask("DELETE", f"{KEYS}/99", bob)
    assert (hers.status, hers.json["code"]) == (none.status, none.json["code"]) == (404, "api_key_not_found")
    assert [key["user_id"] for key in (await site.get(KEYS, boss)).json] == [2]
    assert (await site.ask("DELETE", f"{KEYS}/1", boss)).status == 204


@pytest.mark.parametrize(
    "sent",
    [
        {"name": "", "scopes": ["read"]},
        {"name": "k", "scopes": []},
        {"name": "k", "scopes": ["root"]},
        {"name": "k"},
        {"name": "k", "scopes": ["read"], "expires_in_days": 0},
        {"name": "k", "scopes": ["read"], "expires_in_days": 1e300},
    ],
)
async def test_a_wrong_wish_for_a_key(site: Accounts, sent: dict[str, object]) -> None:
    """400 with the field, and no key."""
    refused = await site.post(KEYS, sent, await site.token())
    assert refused.status == 400
    assert refused.json["details"]
    assert await site.api.rows("SELECT id FROM api_keys") == []


async def test_a_user_has_a_bounded_number_of_keys(site: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Revoked ones don't count."""
    monkeypatch.setattr("services.api.apikeys.routes.MOST", 1)
    token = await site.token()
    await site.key(token, "read")
    refused = await site.post(KEYS, {"name": "k", "scopes": ["read"]}, token)
    assert (MOST, refused.status, refused.json["code"]) == (100, 409, "too_many_keys")
    await site.ask("DELETE", f"{KEYS}/1", token)
    await site.key(token, "read")


async def test_a_ticket_opens_what_its_user_may_see(site: Accounts) -> None:
    """A user's own devices, everybody's for an administrator; for the purpose that was asked."""
    for email, tenants in ((ANN, frozenset({2})), (ADMIN, None)):
        made = await site.post("/api/v1/live/ticket", {"purpose": "sse"}, await site.token(email))
        assert (made.status, made.json["purpose"], made.json["expires_in"]) == (201, "sse", 900)
        assert verify(SECRET, "sse", made.json["ticket"], site.clock.seconds()).holder.tenants == tenants
    without = await site.ask("POST", "/api/v1/live/ticket", await site.token())
    assert (without.json["purpose"], without.json["expires_in"]) == ("ws", 30)
