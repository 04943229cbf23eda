"""/api/v1/users for administrators, and the audit log that tells what they did."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from services.api.accounts.schemas import User
from services.api.audit.queries import KEPT, Event, note
from services.api.audit.schemas import AuditPage
from services.api.resources import KEY
from services.api.users.schemas import UsersPage
from shared.changes import Change
from shared.database.tables import items
from tests.integration.accounts_rig import ADMIN, ANN, AUTH, BOB, PASSWORD, Accounts, required
from tests.integration.api_rig import NOON_NS
from tests.integration.test_accounts import rig

__all__ = ["rig"]

USERS = "/api/v1/users"


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Accounts]:
    async with required(tmp_path) as given:
        yield given


async def test_add_find_change_delete(rig: Accounts) -> None:
    """The life of a user who never had anything."""
    boss = await rig.token(ADMIN)
    sent = {"email": "Cleo@Example.org", "password": PASSWORD, "must_change_password": False}
    made = await rig.post(USERS, sent, boss)
    assert made.status == 201, made.json
    told = User.model_validate(made.json, extra="forbid")
    assert (told.id, told.name, told.email, told.role, told.can_log_in) == (4, "cleo", "cleo@example.org", "user", True)
    found = UsersPage.model_validate((await rig.get(f"{USERS}?q=CLEO", boss)).json, extra="forbid")
    assert (found.data, found.total) == ([told], 1)
    changed = await rig.ask("PATCH", f"{USERS}/4", boss, json={"name": "Cléo", "role": "admin"})
    assert (changed.json["name"], changed.json["role"], changed.json["email"]) == ("Cléo", "admin", told.email)
    assert (await rig.get(f"{USERS}/4", boss)).json == changed.json
    token = await rig.token("cleo@example.org")
    assert (await rig.get(USERS, token)).json["total"] == 4
    assert (await rig.ask("DELETE", f"{USERS}/4", boss)).status == 204
    assert (await rig.get(USERS, token)).status == 401
    assert (await rig.get(f"{USERS}/4", boss)).json["code"] == "user_not_found"
    events = AuditPage.model_validate((await rig.get("/api/v1/audit", boss)).json, extra="forbid")
    assert [event.event for event in events.data] == ["user_deleted", "login", "user_changed", "user_added", "login"]


async def test_pages_and_filters(site: Accounts) -> None:
    """Part of a name or an address, a role, who is disabled; wildcards are letters like others."""
    boss = await site.token(ADMIN)
    await site.ask("PATCH", f"{USERS}/3", boss, json={"disabled": True})
    for asked, expected in (
        ("", [1, 2, 3]),
        ("?q=example.org", [2, 3]),
        ("?q=%25", []),
        ("?q=_", []),
        ("?role=admin", [1]),
        ("?disabled=true", [3]),
        ("?disabled=false&role=user", [2]),
        ("?page=2&per_page=2", [3]),
    ):
        answer = (await site.get(f"{USERS}{asked}", boss)).json
        assert [user["id"] for user in answer["data"]] == expected, asked
    assert (await site.get(f"{USERS}?sort=password_hash", boss)).status == 400


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({}, "email"),
        ({"email": "nobody"}, "email"),
        ({"email": "a b@example.org"}, "email"),
        ({"email": "a@b", "role": "root"}, "role"),
        ({"email": "a@b", "password": "short"}, "password"),
        ({"email": "ann-marie@example.org", "password": "ann-marie@example.org"}, "password"),
    ],
)
async def test_what_is_wrong_with_a_user_is_said(site: Accounts, sent: dict[str, Any], field: str) -> None:
    """400, the field's name, and nobody is added; never the password itself."""
    refused = await site.post(USERS, sent, await site.token(ADMIN))
    assert refused.status == 400
    assert field in [detail["field"] for detail in refused.json["details"]]
    assert sent.get("password", "\0") not in refused.json["message"]
    assert len(await site.api.rows("SELECT id FROM users")) == 3


async def test_an_address_is_one_persons(rig: Accounts) -> None:
    """In any spelling: 409 when added and when changed."""
    boss = await rig.token(ADMIN)
    for method, path in (("POST", USERS), ("PATCH", f"{USERS}/3")):
        taken = await rig.ask(method, path, boss, json={"email": "ANN@example.org "})
        assert (taken.status, taken.json["code"], taken.json["details"][0]["field"]) == (409, "email_taken", "email")


async def test_there_is_always_an_administrator(rig: Accounts) -> None:
    """The last one can be neither disabled nor made a user; of two who do it to each other at once, one can't."""
    boss = await rig.token(ADMIN)
    for change in ({"disabled": True}, {"role": "user"}):
        refused = await rig.ask("PATCH", f"{USERS}/1", boss, json=change)
        assert (refused.status, refused.json["code"]) == (409, "last_admin")
    await rig.ask("PATCH", f"{USERS}/2", boss, json={"role": "admin"})
    both = [(f"{USERS}/2", boss), (f"{USERS}/1", await rig.token(ANN))]
    answers = await asyncio.gather(*(rig.ask("PATCH", path, who, json={"role": "user"}) for path, who in both))
    assert min(answer.status for answer in answers) == 200
    assert {answer.status for answer in answers} <= {200, 403, 409}
    assert len(await rig.api.rows("SELECT id FROM users WHERE role = 'admin'")) == 1


async def test_an_administrator_who_cannot_log_in_does_not_count(rig: Accounts) -> None:
    """One without a password, or who is disabled, could administer nothing; where nobody can log in, one is enough."""
    boss = await rig.token(ADMIN)
    await rig.post(USERS, {"email": "machine@example.org", "role": "admin"}, boss)
    await rig.ask("PATCH", f"{USERS}/2", boss, json={"role": "admin", "disabled": True})
    for change in ({"disabled": True}, {"role": "user"}):
        refused = await rig.ask("PATCH", f"{USERS}/1", boss, json=change)
        assert (refused.status, refused.json["code"]) == (409, "last_admin")
    assert (await rig.get(f"{USERS}/1", boss)).json["role"] == "admin"
    async with rig.api.engine.begin() as connection:
        await connection.execute(text("UPDATE users SET password_hash = NULL"))
    assert (await rig.ask("PATCH", f"{USERS}/4", boss, json={"role": "user"})).status == 200
    assert (await rig.ask("PATCH", f"{USERS}/1", boss, json={"role": "user"})).status == 409


async def test_whoever_owns_something_stays(rig: Accounts) -> None:
    """Items, devices, or readings of long ago: such a user can be disabled, and so can the local admin."""
    boss = await rig.token(ADMIN)
    row = {"user_id": 2, "name": "n", "description": "", "status": "pending", "quantity": 0, "created_ns": NOON_NS}
    await rig.api.fill(items, row)
    async with rig.api.engine.begin() as connection:
        await connection.execute(
            text("INSERT INTO device_measurements (device_id, measurement, user_id, since_ns) VALUES ('d', 'm', 3, 1)")
        )
    for user_id, code in ((1, "user_needed"), (2, "user_owns"), (3, "user_owns")):
        refused = await rig.ask("DELETE", f"{USERS}/{user_id}", boss)
        assert (refused.status, refused.json["code"]) == (409, code)
    assert len(await rig.api.rows("SELECT id FROM users")) == 3
    assert (await rig.login(BOB)).status == 200


async def test_a_password_set_by_an_administrator(site: Accounts) -> None:
    """It ends the user's sessions; an unknown user is told as such."""
    boss, hers = await site.token(ADMIN), await site.token(ANN)
    sent = {"password": "for the first time", "must_change_password": False}
    assert (await site.ask("PUT", f"{USERS}/2/password", boss, json=sent)).status == 204
    assert (await site.get(f"{AUTH}/me", hers)).status == 401
    assert (await site.login(ANN, "for the first time")).json["user"]["must_change_password"] is False
    assert (await site.ask("PUT", f"{USERS}/99/password", boss, json=sent)).status == 404


async def test_the_audit_log_tells_who_and_from_where(tmp_path: Path) -> None:
    """By user, event and outcome; the address is the one that our own proxy saw."""
    async with required(tmp_path, trusted_hops=1) as site:
        headers = {"X-Forwarded-For": "6.6.6.6, 192.0.2.7"}
        sent = {"email": ANN, "password": "wrong"}
        assert (await site.ask("POST", f"{AUTH}/login", headers=headers, json=sent)).status == 401
        boss = await site.token(ADMIN)
        page = (await site.get("/api/v1/audit?outcome=refused&event=login", boss)).json
        event = page["data"][0]
        assert (page["total"], event["subject"], event["address"], event["user_id"]) == (1, ANN, "192.0.2.7", None)
        assert event["time"] == "2026-01-01T12:00:00.000000000Z"
        assert (await site.get("/api/v1/audit?user_id=2", boss)).json["total"] == 0


async def test_the_audit_log_is_bounded(site: Accounts) -> None:
    """The oldest go when there are too many."""
    event = Event(NOON_NS, 1, "login", "", "", "ok")
    await note(site.api.engine, event)
    async with site.api.engine.begin() as connection:
        await connection.execute(text(f"UPDATE audit SET id = {KEPT + 99}"))  # noqa: S608 - a number of ours
        await connection.execute(
            text("INSERT INTO audit SELECT 5, ts_ns, user_id, event, subject, address, outcome FROM audit")
        )
    await note(site.api.engine, event)
    assert await site.api.rows("SELECT id FROM audit ORDER BY id") == [(KEPT + 99,), (KEPT + 100,)]


async def test_who_keeps_a_copy_hears_of_every_change(site: Accounts) -> None:
    """Of users and of keys, by whichever route: buckets are made then, and streams end."""
    heard: list[Change] = []
    given = site.api.app.extensions[KEY]
    site.api.app.extensions[KEY] = replace(given, registry_changed=heard.append)
    token = await site.token(ADMIN)
    made = (await site.post(USERS, {"email": "cleo@example.org", "name": "Cleo"}, token)).json["id"]
    await site.ask("PATCH", f"{USERS}/{made}", token, json={"disabled": True})
    await site.ask("PUT", f"{USERS}/{made}/password", token, json={"password": "another sentence of ours"})
    await site.ask("DELETE", f"{USERS}/{made}", token)
    await site.post("/api/user/77", {"name": "Dora"}, token)
    await site.key(token, "read")
    await site.ask("DELETE", "/api/v1/api-keys/1", token)
    told = [("user", int(made))] * 4 + [("user", 77), ("key", 1), ("key", 1)]
    assert heard == [Change.model_validate({"kind": kind, "id": key}) for kind, key in told]


async def test_an_address_is_changed_where_logins_are(site: Accounts) -> None:
    """A form that sends the same one back changes nothing; another, or none, is refused, for administrators too."""
    ann, admin = await site.token(ANN), await site.token(ADMIN)
    for token, email in ((ann, "bob@example.org"), (ann, ""), (ann, "new@example.org"), (admin, "new@example.org")):
        refused = await site.post("/api/user/2", {"email": email}, token)
        assert (refused.status, refused.json["code"]) == (403, "login_required")
    assert (await site.post("/api/user/2", {"email": ANN, "age": 3}, ann)).status == 200
    assert (await site.login(ANN)).status == 200


async def test_a_key_makes_no_users(site: Accounts) -> None:
    """It would outlive its revocation: with a password that it has set, somebody logs in."""
    key = await site.key(await site.token(ADMIN), "read", "write", "admin")
    for method, path, sent in (
        ("POST", USERS, {"email": "cleo@example.org", "name": "Cleo"}),
        ("PATCH", f"{USERS}/2", {"name": "A"}),
        ("PUT", f"{USERS}/2/password", {"password": "another sentence of ours"}),
        ("DELETE", f"{USERS}/2", None),
    ):
        refused = await site.ask(method, path, key, json=sent)
        assert (refused.status, refused.json["code"]) == (403, "login_required")
    assert (await site.get(USERS, key)).status == 200


async def test_what_happens_to_a_devices_credentials_is_told(rig: Accounts) -> None:
    """Made, revoked, and gone with the device when it is given away, claimed or deleted; never a password."""
    boss = await rig.token(ADMIN)
    await rig.api.add_devices("d1", user_id=2)
    await rig.api.add_devices("d2", claimed=False)
    path = "/api/v1/devices/d1"
    made = await rig.post(f"{path}/credentials", {"name": "2026"}, await rig.token())
    await rig.ask("DELETE", f"{path}/credentials/2026", boss)
    await rig.ask("PATCH", path, boss, json={"user_id": 3})
    await rig.ask("PATCH", path, boss, json={"user_id": 3, "name": "Theirs already"})
    await rig.ask("POST", "/api/v1/devices/d2/claim", boss)
    await rig.ask("DELETE", path, boss)
    events = (await rig.get("/api/v1/audit", boss)).json["data"]
    told = [(each["event"], each["user_id"], each["subject"]) for each in events if each["event"] != "login"]
    assert told[::-1] == [
        ("credential_added", 2, "device d1: 2026"),
        ("credential_revoked", 1, "device d1: 2026"),
        ("device_given", 1, "device d1 to user 3"),
        ("device_claimed", 1, "device d2"),
        ("device_deleted", 1, "device d1"),
    ]
    assert made.json["password"] not in str(events)


async def test_whoever_gets_a_device_is_told(rig: Accounts) -> None:
    """By whichever way it is claimed: by name, as the frontends of old do it, for somebody else, from a file."""
    boss, ann = await rig.token(ADMIN), await rig.token()
    await rig.api.add_devices(*(f"d{number}" for number in range(1, 6)), claimed=False)
    named = {"name": "n"}
    assert (await rig.post("/api/devices", {"device_id": "d1", **named}, ann)).status == 201
    assert (await rig.post("/api/v1/devices", {"device_id": "d2", **named}, ann)).status == 201
    assert (await rig.post("/api/v1/devices", {"device_id": "d3", "user_id": 3, **named}, boss)).status == 201
    assert (await rig.post("/api/v1/devices", {"device_id": "new", **named}, ann)).status == 201
    csv = b"device_id,name\nd4,n\nd5,n\nd1,other\nfresh,n\n"
    for query in ("?dry_run=true", "", ""):
        sent = await rig.ask("POST", f"/api/v1/devices/bulk{query}", ann, {"Content-Type": "text/csv"}, data=csv)
        assert (sent.status, sent.json["refused"]) == (200, 0)
    events = (await rig.get("/api/v1/audit", boss)).json["data"]
    told = [(each["user_id"], each["subject"]) for each in events if each["event"] == "device_claimed"]
    assert told[::-1] == [
        (2, "device d1"),
        (2, "device d2"),
        (1, "device d3 for user 3"),
        (2, "2 devices: d4, d5"),
    ]
