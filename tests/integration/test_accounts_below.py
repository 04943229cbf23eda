"""Below the routes of accounts: the statements and the guard's parts, where a route could hide what they do."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.api.accounts import queries
from services.api.accounts.throttle import Attempt, count_refresh
from services.api.accounts.tokens import Refresh, Session, access_token, hash_of_key
from services.api.apikeys.queries import count_keys, list_keys, revoke_key
from services.api.apikeys.routes import key_row
from services.api.apikeys.schemas import NewKey
from services.api.audit.records import came_from
from services.api.errors import TooMany, Unauthorized
from services.api.identity import caller_by, is_admin
from services.api.live.schemas import LiveTicket
from services.api.users.queries import Filter, LastAdmin, OwnsThings, change_user, delete_user, page_of_users
from tests.integration.accounts_rig import ADMIN, SECRET, Accounts, required
from tests.integration.api_rig import NOON_NS

HOUR_NS = 3_600 * 10**9


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Accounts]:
    async with required(tmp_path) as given:
        yield given


async def test_keys_by_tenant(site: Accounts) -> None:
    """None is an administrator's view; an empty list is nobody's."""
    engine = site.api.engine
    token = await site.token()
    key = await site.key(token, "read")
    for tenants, expected in ((None, 1), ((), 0), ((1,), 0), ((2, 3), 1)):
        assert len(await list_keys(engine, tenants)) == expected
    assert await revoke_key(engine, 1, (3,), NOON_NS) is None
    assert await count_keys(engine, 2) == 1
    assert await queries.key_holder(engine, hash_of_key(key), NOON_NS) is not None
    assert await revoke_key(engine, 1, (2,), NOON_NS) is not None
    assert await count_keys(engine, 2) == 0
    assert await queries.key_holder(engine, hash_of_key(key), NOON_NS) is None


def test_a_key_is_kept_as_its_hash() -> None:
    """Scopes once each, in one order."""
    row = key_row(NewKey(name="k", scopes=["write", "read", "write"]), "tk_0123456789", 2, NOON_NS)
    assert (row["scopes"], row["hint"], row["expires_ns"]) == ("read write", "tk_012345", None)
    assert "tk_0123456789" not in row.values()


async def test_sessions_end_in_every_way(site: Accounts) -> None:
    """With their time, by being ended (which tells whose it was, once), and never for another user's name."""
    engine = site.api.engine
    made = await queries.start_session(engine, 2, NOON_NS, HOUR_NS)
    session = Session(made.session, 2)
    assert await queries.session_holder(engine, session, NOON_NS) is not None
    assert await queries.session_holder(engine, session._replace(user_id=1), NOON_NS) is None
    assert await queries.session_holder(engine, session, NOON_NS + HOUR_NS) is None
    assert (await queries.rotate(engine, made, NOON_NS + HOUR_NS)).successor is None
    assert (await queries.rotate(engine, Refresh("0" * 32, 0), NOON_NS)) == queries.Rotation(None, None)
    assert await queries.end_session(engine, made.session, NOON_NS) == 2
    assert await queries.end_session(engine, made.session, NOON_NS) is None
    assert await queries.session_holder(engine, session, NOON_NS) is None


async def test_a_hash_is_renewed_unless_there_is_a_new_one(site: Accounts) -> None:
    """Logging in while the password is changed must not bring the old one back."""
    engine = site.api.engine
    await queries.renew_hash(engine, 2, "another hash", "renewed")
    before = (await queries.user_by_id(engine, 2) or {})["password_hash"]
    assert before.startswith("$argon2id$")
    await queries.renew_hash(engine, 2, before, "renewed")
    assert (await queries.user_by_id(engine, 2) or {})["password_hash"] == "renewed"  # noqa: S105
    assert await queries.user_by_id(engine, 99) is None


async def test_the_last_administrator_below_the_routes(site: Accounts) -> None:
    """Neither changed nor deleted, and nothing is left half done."""
    engine = site.api.engine
    for changes in ({"disabled": True}, {"role": "user", "name": "x"}):
        with pytest.raises(LastAdmin):
            await change_user(engine, 1, changes, NOON_NS)
    with pytest.raises(LastAdmin):
        await delete_user(engine, 1)
    await site.api.add_devices("d", user_id=3)
    with pytest.raises(OwnsThings):
        await delete_user(engine, 3)
    assert await change_user(engine, 99, {"name": "x"}, NOON_NS) is None
    rows, total = await page_of_users(engine, Filter(), limit=10, offset=0)
    assert [(row["id"], row["name"], row["role"], bool(row["disabled"])) for row in rows] == [
        (1, "admin", "admin", False),
        (2, "Ann", "user", False),
        (3, "Bob", "user", False),
    ]
    assert total == 3


async def test_who_a_header_names(site: Accounts) -> None:
    """A session's user or a key's; of both the token counts; other kinds are refused with the mend."""
    ann = await site.token()
    key = await site.key(await site.token(ADMIN), "read")
    for headers, user_id in (
        ({"Authorization": f"Bearer {ann}"}, 2),
        ({"Authorization": f"bearer  {ann} "}, 2),
        ({"X-API-Key": key}, 1),
        ({"X-API-Key": key, "Authorization": f"Bearer {ann}"}, 2),
    ):
        assert (await caller_by(headers, site.door, site.api.engine)).user_id == user_id
    for headers, code in (
        ({"Authorization": "Basic YTpi"}, "invalid_token"),
        ({"Authorization": "Bearer"}, "unauthenticated"),
        ({"X-API-Key": ann}, "invalid_token"),
    ):
        with pytest.raises(Unauthorized) as refused:
            await caller_by(headers, site.door, site.api.engine)
        assert refused.value.code == code


async def test_whether_it_is_an_administrator_who_may_read(site: Accounts) -> None:
    """For /metrics, which stands beside the app."""
    boss, ann = await site.token(ADMIN), await site.token()
    shown = {
        boss: True,
        ann: False,
        await site.key(boss, "read", "admin"): True,
        await site.key(boss, "read"): False,
        await site.key(boss, "write", "admin"): False,
        access_token(SECRET, Session("0" * 32, 1), site.clock.seconds()): False,
    }
    for token, expected in shown.items():
        for name in (b"authorization", b"x-api-key") if token.startswith("tk_") else (b"authorization",):
            value = token if name == b"x-api-key" else f"Bearer {token}"
            scope = {"headers": [(name, value.encode())]}
            assert await is_admin(scope, site.door, site.api.engine) == expected
    assert not await is_admin({"headers": []}, site.door, site.api.engine)


async def test_a_stranger_beside_the_app_is_counted_by_where_they_came_from(tmp_path: Path) -> None:
    """Seen past our own proxies, in however many headers they say so."""
    async with required(tmp_path, requests_per_s=1, request_burst=1, trusted_hops=2) as site:
        forwarded = [(b"x-forwarded-for", each) for each in (b"192.0.2.7", b"10.0.0.1")]
        scope = {"headers": [(b"x-api-key", b"tk_nobody's"), *forwarded], "client": ("10.0.0.2", 1)}
        assert not await is_admin(scope, site.door, site.api.engine)
        limit, now_s = site.door.limits.requests, site.clock.seconds()
        assert limit.wait_s(("stranger", "192.0.2.7"), now_s)
        assert not limit.wait_s(("stranger", "10.0.0.2"), now_s)


async def test_attempts_that_are_refused_cost_nothing(tmp_path: Path) -> None:
    """An account that is slow doesn't slow down the address; right passwords don't count at all."""
    async with (
        required(tmp_path, logins_per_min=1, requests_per_s=1, request_burst=1, trusted_hops=1) as site,
        site.api.app.test_request_context("/", headers={"X-Forwarded-For": "6.6.6.6, 192.0.2.7"}),
    ):
        assert came_from() == "192.0.2.7"
        for _ in range(9):
            attempt = Attempt("ann@example.org")
            await attempt.count()
            attempt.uncount()
        await Attempt("ann@example.org").count()
        for _ in range(9):
            with pytest.raises(TooMany):
                await Attempt("ann@example.org").count()
        for email in ("bob@example.org", ""):
            await Attempt(email).count()
        with pytest.raises(TooMany):
            await Attempt().count()
        count_refresh()
        with pytest.raises(TooMany):
            count_refresh()


async def test_a_ticket_is_told_with_its_end(site: Accounts) -> None:
    """As the schema says, and never kept by anybody on its way."""
    made = await site.post("/api/v1/live/ticket", {}, await site.token())
    assert LiveTicket.model_validate(made.json, extra="forbid").expires_in == 30
    assert made.headers["Cache-Control"] == "no-store"
    assert (await site.post("/api/v1/live/ticket", {"purpose": "mqtt"}, await site.token())).status == 400


async def test_why_it_is_not_ready_is_not_for_everybody(site: Accounts) -> None:
    """Programs on the same machine and administrators read what a driver said; others the state alone."""
    site.api.health.report("database", "down", "password of telemetrio@db.internal is wrong")
    key = await site.key(await site.token(ADMIN), "read", "admin")

    async def detail(client: str, token: str = "", **headers: str) -> str:
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = await site.ask("GET", "/readyz", token, given, scope_base={"client": (client, 1)})
        assert (answer.status, answer.json["dependencies"]["database"]["state"]) == (503, "down")
        found: str = answer.json["dependencies"]["database"]["detail"]
        return found

    assert "db.internal" in await detail("127.0.0.1")
    assert "db.internal" in await detail("192.0.2.1", key)
    for shown in ("", "tk_unknown", await site.token()):
        assert await detail("192.0.2.1", shown) == await detail("127.0.0.1", shown, X_Forwarded_For="192.0.2.1") == ""


async def test_readiness_is_told_while_nobody_can_be_looked_up(site: Accounts, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks: it is about the very database that would have to say who that is."""
    token = await site.token(ADMIN)

    async def away(*_: object) -> None:
        raise OSError("gone")

    monkeypatch.setattr(queries, "session_holder", away)
    answer = await site.ask("GET", "/readyz", token, scope_base={"client": ("192.0.2.1", 1)})
    assert (answer.status, answer.json["ready"]) == (200, True)
