"""One's own sessions: seen, ended one by one or all but this one, and never somebody else's."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from services.api.sessions import queries
from services.api.sessions.schemas import OwnSessions
from tests.integration.accounts_rig import ADMIN, ANN, AUTH, BOB, Accounts, required

SESSIONS = f"{AUTH}/sessions"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.peer("postgres"))])
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Accounts]:
    url = ""
    if request.param == "postgresql":
        cluster = request.getfixturevalue("shared_cluster")
        await cluster.empty()
        url = cluster.url
    async with required(tmp_path, url) as given:
        yield given


async def current(rig: Accounts, token: str) -> str:
    told = await rig.get(SESSIONS, token)
    return next(session.id for session in OwnSessions.model_validate(told.json).root if session.current)


async def test_sessions_are_listed_and_end_one_by_one(rig: Accounts) -> None:
    """The newest first, this one marked, none that is over; ended, it opens nothing and is listed no longer."""
    phone = await rig.token()
    rig.clock.forward(60)
    browser = await rig.token()
    listed = (await rig.get(SESSIONS, browser)).json
    assert [session["current"] for session in listed] == [True, False]
    assert all(session["expires_at"] > session["last_used_at"] >= session["created_at"] for session in listed)
    assert (await rig.ask("DELETE", f"{SESSIONS}/{listed[1]['id']}", browser)).status == 204
    assert (await rig.get(f"{AUTH}/me", phone)).json["code"] == "session_ended"
    assert [session["current"] for session in (await rig.get(SESSIONS, browser)).json] == [True]
    again = await rig.ask("DELETE", f"{SESSIONS}/{listed[1]['id']}", browser)
    assert (again.status, again.json["code"]) == (404, "session_not_found")
    rig.clock.forward(40 * 86_400)
    assert await queries.list_sessions(rig.api.engine, 2, rig.clock.ns) == []


async def test_log_out_everywhere_else_spares_this_and_everybody_else(rig: Accounts) -> None:
    """All others of the caller end, refresh tokens included; nobody else's do."""
    old = (await rig.login()).json
    bob, ann = await rig.token(BOB), await rig.token()
    assert (await rig.ask("DELETE", SESSIONS, ann)).status == 204
    assert (await rig.refresh(old["refresh_token"])).status == 401
    assert [(await rig.get(f"{AUTH}/me", token)).status for token in (old["access_token"], ann, bob)] == [401, 200, 200]


async def test_a_session_of_somebody_else_is_as_unknown_as_one_that_never_was(rig: Accounts) -> None:
    """Not even an administrator ends one here, and an API key neither sees nor ends any."""
    ann = await rig.token(ANN)
    theirs = f"{SESSIONS}/{await current(rig, ann)}"
    for email in (BOB, ADMIN):
        token = await rig.token(email)
        refused = await rig.ask("DELETE", theirs, token)
        unknown = await rig.ask("DELETE", f"{SESSIONS}/{'0' * 32}", token)
        assert (
            (refused.status, refused.json["code"])
            == (unknown.status, unknown.json["code"])
            == (404, "session_not_found")
        )
    told = await rig.ask("DELETE", f"{SESSIONS}/%00", ann)
    assert (told.status, told.json["code"]) == (404, "session_not_found")
    key = await rig.key(ann, "read", "write")
    assert (await rig.get(SESSIONS, key)).json["code"] == "login_required"
    assert (await rig.get(f"{AUTH}/me", ann)).status == 200
