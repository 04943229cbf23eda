"""Logging in and out on real databases: tokens, their rotation, and what ends them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from services.api.accounts.cookies import COOKIE
from services.api.accounts.first import EMAIL, first_password
from services.api.accounts.schemas import Tokens, User
from services.api.accounts.tokens import Refresh, Session, access_token, read_refresh, refresh_token
from shared.database.engine import open_engine
from shared.database.migrations.upgrade import downgrade, upgrade
from tests.integration.accounts_rig import ADMIN, ANN, AUTH, BOB, PASSWORD, SECRET, Accounts, required
from tests.peers.postgres import Cluster

NEW = "another sentence of ours"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.peer("postgres"))])
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Accounts]:
    url = ""
    if request.param == "postgresql":
        cluster: Cluster = request.getfixturevalue("shared_cluster")
        await cluster.empty()
        url = cluster.url
    async with required(tmp_path, url) as given:
        yield given


async def test_log_in_ask_log_out(rig: Accounts) -> None:
    """The whole way: nobody, somebody who sees what is theirs, nobody again."""
    assert (await rig.get(f"{AUTH}/me")).status == 401
    answer = await rig.login(" ANN@example.org ")
    assert answer.status == 200
    told = Tokens.model_validate(answer.json, extra="forbid")
    assert (told.token_type, told.expires_in, told.user.email, told.user.role) == ("Bearer", 900, ANN, "user")
    me = await rig.get(f"{AUTH}/me", told.access_token)
    assert User.model_validate(me.json, extra="forbid") == told.user
    assert PASSWORD not in me.body.decode()
    assert "argon2" not in me.body.decode()
    left = await rig.post(f"{AUTH}/logout", {"refresh_token": told.refresh_token})
    assert (left.status, left.body) == (204, b"")
    ended = await rig.get(f"{AUTH}/me", told.access_token)
    assert (ended.status, ended.json["code"]) == (401, "session_ended")
    assert (await rig.refresh(told.refresh_token or "")).status == 401


async def test_a_refused_login_says_the_same_whoever_it_is(rig: Accounts) -> None:
    """Unknown, wrong, disabled and without a password: one answer, and one verification of a password each."""
    await rig.api.rows("SELECT 1")
    async with rig.api.engine.begin() as connection:
        await connection.execute(text("UPDATE users SET disabled = true WHERE id = 3"))
        await connection.execute(text("UPDATE users SET password_hash = NULL WHERE id = 1"))
    verified: list[bool] = []
    passwords = rig.door.passwords
    verify = passwords.verify

    async def counted(known: str | None, password: str) -> bool:
        verified.append(known is None)
        return await verify(known, password)

    passwords.verify = counted  # type: ignore[method-assign]
    answers = [
        await rig.login("nobody@example.org"),
        await rig.login(ANN, "not her sentence"),
        await rig.login(BOB),
        await rig.login(ADMIN),
    ]
    told = {(each.status, each.json["code"], each.json["message"]) for each in answers}
    assert told == {(401, "login_refused", "Wrong address or password")}
    assert verified == [True, False, False, True]


async def test_a_refresh_token_is_good_for_one_refresh(rig: Accounts) -> None:
    """Its successor works; itself, shown again later, ends the session for whoever has it."""
    first = (await rig.login()).json
    second = (await rig.refresh(first["refresh_token"])).json
    assert second["refresh_token"] != first["refresh_token"]
    assert (await rig.get(f"{AUTH}/me", second["access_token"])).status == 200
    rig.clock.forward(10.1)
    reused = await rig.refresh(first["refresh_token"])
    assert (reused.status, reused.json["code"]) == (401, "session_ended")
    assert (await rig.refresh(second["refresh_token"])).status == 401
    assert (await rig.get(f"{AUTH}/me", second["access_token"])).status == 401
    events = (await rig.get("/api/v1/audit?event=refresh_reused", await rig.token(ADMIN))).json["data"]
    assert [(event["user_id"], event["outcome"]) for event in events] == [(2, "refused")]


async def test_an_older_token_ends_the_session_at_once(rig: Accounts) -> None:
    """The ten seconds are for the last one before, not for any."""
    first = (await rig.login()).json["refresh_token"]
    second = (await rig.refresh(first)).json["refresh_token"]
    third = (await rig.refresh(second)).json["refresh_token"]
    assert (await rig.refresh(first)).status == 401
    assert (await rig.refresh(third)).status == 401


async def test_two_tabs_within_ten_seconds(rig: Accounts) -> None:
    """Both get the same successor, and both go on with it."""
    first = (await rig.login()).json["refresh_token"]
    one = (await rig.refresh(first)).json["refresh_token"]
    rig.clock.forward(9.9)
    other = (await rig.refresh(first)).json["refresh_token"]
    assert one == other
    assert (await rig.refresh(other)).status == 200


async def test_many_refreshes_at_once(rig: Accounts) -> None:
    """One generation later for all of them, and nobody is locked out."""
    first = (await rig.login()).json["refresh_token"]
    answers = await asyncio.gather(*(rig.refresh(first) for _ in range(8)))
    assert {answer.status for answer in answers} == {200}
    assert len({answer.json["refresh_token"] for answer in answers}) == 1
    assert await rig.api.rows("SELECT generation, revoked_ns FROM sessions") == [(1, None)]


async def test_a_disabled_user_stops_at_once(rig: Accounts) -> None:
    """Tokens, refresh tokens and keys; enabled again, only the keys come back."""
    boss, told = await rig.token(ADMIN), (await rig.login()).json
    key = await rig.key(told["access_token"], "read")
    assert (await rig.get("/api/devices", key)).status == 200
    changed = await rig.ask("PATCH", "/api/v1/users/2", boss, json={"disabled": True})
    assert (changed.status, changed.json["disabled"]) == (200, True)
    for token in (told["access_token"], key):
        assert (await rig.get("/api/devices", token)).status == 401
    assert (await rig.refresh(told["refresh_token"])).status == 401
    await rig.ask("PATCH", "/api/v1/users/2", boss, json={"disabled": False})
    assert (await rig.refresh(told["refresh_token"])).status == 401
    assert (await rig.get("/api/devices", told["access_token"])).status == 401
    assert (await rig.get("/api/devices", key)).status == 200


async def test_another_password(rig: Accounts) -> None:
    """It ends every other session, keeps this one, and the old password is worth nothing."""
    mine, other = (await rig.login()).json, (await rig.login()).json
    sent = {"current_password": PASSWORD, "new_password": NEW}
    wrong = await rig.post(f"{AUTH}/password", {**sent, "current_password": "x"}, mine["access_token"])
    assert (wrong.status, wrong.json["details"][0]["field"]) == (400, "current_password")
    assert (await rig.post(f"{AUTH}/password", sent, mine["access_token"])).status == 204
    assert (await rig.get(f"{AUTH}/me", mine["access_token"])).status == 200
    assert (await rig.get(f"{AUTH}/me", other["access_token"])).status == 401
    assert (await rig.refresh(other["refresh_token"])).status == 401
    assert (await rig.login()).status == 401
    assert (await rig.login(password=NEW)).status == 200


@pytest.mark.parametrize(
    ("password", "said"),
    [
        ("short", "at least 10"),
        ("x" * 300, "at most 256"),
        ("Password123", "first that are tried"),
        ("aaaaaaaaaaaa", "first that are tried"),
        ("ann@example.org", "the name or the address"),
        (PASSWORD, "another one than before"),
    ],
)
async def test_a_password_that_is_no_good(tmp_path: Path, password: str, said: str) -> None:
    """What is wrong with it is said, and nothing changes."""
    async with required(tmp_path) as rig:
        sent = {"current_password": PASSWORD, "new_password": password}
        refused = await rig.post(f"{AUTH}/password", sent, await rig.token())
        assert (refused.status, refused.json["details"][0]["field"]) == (400, "new_password")
        assert said in refused.json["message"]
        assert (await rig.login()).status == 200


async def test_clocks_may_differ_a_little(tmp_path: Path) -> None:
    """A token of a server whose clock is eight seconds off is good; of one that is a minute ahead it isn't yet."""
    async with required(tmp_path) as rig:
        session = Session(read_refresh(SECRET, (await rig.login()).json["refresh_token"]).session, 2)
        now_s = rig.clock.seconds()
        for made_s, status in ((now_s + 8, 200), (now_s + 60, 401), (now_s - 905, 200), (now_s - 915, 401)):
            assert (await rig.get(f"{AUTH}/me", access_token(SECRET, session, made_s))).status == status, made_s


async def test_tokens_end_with_their_time(tmp_path: Path) -> None:
    """An access token after 15 minutes, a session after `session_days`, however often it was refreshed."""
    async with required(tmp_path, session_days=1) as rig:
        told = (await rig.login()).json
        rig.clock.forward(16 * 60)
        late = await rig.get(f"{AUTH}/me", told["access_token"])
        assert (late.status, late.json["code"], late.headers["WWW-Authenticate"]) == (401, "invalid_token", "Bearer")
        refreshed = (await rig.refresh(told["refresh_token"])).json
        assert (await rig.get(f"{AUTH}/me", refreshed["access_token"])).status == 200
        rig.clock.forward(86_400)
        assert (await rig.refresh(refreshed["refresh_token"])).status == 401
        await rig.login()
        assert len(await rig.api.rows("SELECT id FROM sessions")) == 1


async def test_a_refresh_token_of_our_own_making_only(tmp_path: Path) -> None:
    """Another secret's, a later generation, and anything else are refused, and end nothing."""
    async with required(tmp_path) as rig:
        told = (await rig.login()).json["refresh_token"]
        session = read_refresh(SECRET, told).session
        invented: list[Any] = [
            refresh_token("another secret", Refresh(session, 0)),
            refresh_token(SECRET, Refresh(session, 5)),
            refresh_token(SECRET, Refresh("0" * 32, 0)),
            told[:-1] + ("A" if told[-1] != "A" else "B"),
            "rt_",
        ]
        for token in invented:
            assert (await rig.refresh(token)).status == 401
        assert (await rig.refresh(told)).status == 200


async def test_a_browser_keeps_the_token_in_a_cookie(tmp_path: Path) -> None:
    """HttpOnly, SameSite=Strict, for /api/v1/auth alone, Secure but on loopback; never in a body."""
    async with required(tmp_path) as rig:
        login = await rig.login(cookie=True)
        assert login.json["refresh_token"] is None
        cookie = login.headers["Set-Cookie"]
        for word in (f"{COOKIE}=rt_", "HttpOnly", "SameSite=Strict", "Path=/api/v1/auth", "Max-Age=2592000"):
            assert word in cookie
        assert "Secure" not in cookie
        sent = {"email": ANN, "password": PASSWORD, "cookie": True}
        away = await rig.ask("POST", f"{AUTH}/login", headers={"Host": "example.org"}, json=sent)
        assert "Secure" in away.headers["Set-Cookie"]
        value = {"Cookie": cookie.partition(";")[0]}
        refreshed = await rig.ask("POST", f"{AUTH}/refresh", headers=value)
        assert (refreshed.status, refreshed.json["refresh_token"]) == (200, None)
        value = {"Cookie": refreshed.headers["Set-Cookie"].partition(";")[0]}
        left = await rig.ask("POST", f"{AUTH}/logout", headers=value)
        assert left.status == 204
        assert "Max-Age=0" in left.headers["Set-Cookie"]
        assert (await rig.ask("POST", f"{AUTH}/refresh", headers=value)).status == 401
        assert (await rig.ask("POST", f"{AUTH}/refresh")).json["code"] == "unauthenticated"


async def test_logging_out_by_access_token(tmp_path: Path) -> None:
    """Enough to end the session; without any token there is nothing to end, and that is fine."""
    async with required(tmp_path) as rig:
        token = await rig.token()
        assert (await rig.ask("POST", f"{AUTH}/logout", token)).status == 204
        assert (await rig.get(f"{AUTH}/me", token)).status == 401
        assert (await rig.ask("POST", f"{AUTH}/logout", token)).status == 204
        assert (await rig.ask("POST", f"{AUTH}/logout")).status == 204


async def test_who_must_change_the_password_can_do_nothing_else(tmp_path: Path) -> None:
    """A password that an administrator has set is good for one thing: to set another one."""
    async with required(tmp_path) as rig:
        boss = await rig.token(ADMIN)
        sent = {"password": "only for the first time"}
        assert (await rig.ask("PUT", "/api/v1/users/2/password", boss, json=sent)).status == 204
        told = (await rig.login(password=sent["password"])).json
        assert told["user"]["must_change_password"] is True
        refused = await rig.get("/api/devices", told["access_token"])
        assert (refused.status, refused.json["code"]) == (403, "password_must_change")
        assert (await rig.get(f"{AUTH}/me", told["access_token"])).status == 200
        change = {"current_password": sent["password"], "new_password": NEW}
        assert (await rig.post(f"{AUTH}/password", change, told["access_token"])).status == 204
        assert (await rig.get("/api/devices", told["access_token"])).status == 200


async def test_keys_wait_for_the_password_too(tmp_path: Path) -> None:
    """Made before or by whoever: they open nothing until the password is changed, and then go on."""
    async with required(tmp_path) as rig:
        boss, key = await rig.token(ADMIN), await rig.key(await rig.token(), "read")
        sent = {"password": "only for the first time"}
        assert (await rig.ask("PUT", "/api/v1/users/2/password", boss, json=sent)).status == 204
        refused = await rig.get("/api/devices", key)
        assert (refused.status, refused.json["code"]) == (403, "password_must_change")
        token = (await rig.login(password=sent["password"])).json["access_token"]
        made = await rig.post("/api/v1/api-keys", {"name": "k", "scopes": ["read"]}, token)
        assert (made.status, made.json["code"]) == (403, "password_must_change")
        change = {"current_password": sent["password"], "new_password": NEW}
        assert (await rig.post(f"{AUTH}/password", change, token)).status == 204
        assert (await rig.get("/api/devices", key)).status == 200
        async with rig.api.engine.begin() as connection:  # an account of programs alone
            await connection.exec_driver_sql("UPDATE users SET must_change = true, password_hash = NULL WHERE id = 2")
        assert (await rig.get("/api/devices", key)).status == 200


async def test_registration_is_off_until_somebody_wants_it(tmp_path: Path) -> None:
    """Then one answer for new and taken addresses, and one hash for each."""
    new = {"email": "Cleo@example.org", "password": PASSWORD}
    async with required(tmp_path) as rig:
        refused = await rig.post(f"{AUTH}/register", new)
        assert (refused.status, refused.json["code"]) == (403, "registration_off")
    folder = tmp_path / "on"
    folder.mkdir()
    async with required(folder, registration=True) as rig:
        assert (await rig.get("/api/v1/about")).json["registration"] is True
        made = await rig.post(f"{AUTH}/register", new)
        assert made.status == 201
        taken = await rig.post(f"{AUTH}/register", {**new, "email": "cleo@EXAMPLE.org", "password": NEW})
        assert (taken.status, taken.json) == (201, made.json)
        assert (await rig.login("cleo@example.org")).json["user"]["name"] == "cleo"
        assert (await rig.login("cleo@example.org", NEW)).status == 401


async def test_the_first_password_is_shown_once(rig: Accounts) -> None:
    """Of several processes that start at once one shows it; whoever has a password is asked for it, not given one."""
    assert await first_password(rig.api.engine) is None
    async with rig.api.engine.begin() as connection:
        await connection.execute(text("UPDATE users SET password_hash = NULL, email = NULL, disabled = true"))
    shown = [each for each in await asyncio.gather(*(first_password(rig.api.engine) for _ in range(4))) if each]
    assert [email for email, _ in shown] == [EMAIL]
    told = (await rig.login(*shown[0])).json["user"]
    assert (told["id"], told["role"], told["must_change_password"]) == (1, "admin", True)
    assert await first_password(rig.api.engine) is None


async def test_the_first_login_has_an_address_of_its_own(rig: Accounts) -> None:
    """Also where somebody without a password has the usual one: the API would never come up."""
    async with rig.api.engine.begin() as connection:
        await connection.execute(text("UPDATE users SET password_hash = NULL, email = NULL"))
        await connection.execute(text(f"UPDATE users SET email = '{EMAIL}' WHERE id = 2"))  # noqa: S608 - a constant
    shown = await first_password(rig.api.engine)
    assert shown is not None
    assert shown[0] != EMAIL
    assert (await rig.login(*shown)).json["user"]["id"] == 1


@pytest.mark.peer("postgres")
async def test_migrations_up_and_down_on_postgresql(cluster: Cluster) -> None:
    """With users in the table, who are still there when accounts are taken away again."""
    engine = open_engine(cluster.url)
    await upgrade(engine, "0002")
    async with engine.begin() as connection:
        await connection.execute(text("INSERT INTO users (id, name, role, created_ns) VALUES (1, 'a', 'admin', 1)"))
    await upgrade(engine, "0003")
    await downgrade(engine, "0002")
    async with engine.begin() as connection:
        assert (await connection.execute(text("SELECT * FROM users"))).all() == [(1, "a", None, "admin", 1)]
    await upgrade(engine)
    await engine.dispose()
