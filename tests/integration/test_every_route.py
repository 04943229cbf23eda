"""Every guarded route, found in the URL map, refuses whoever may not; each new route is tested by being there."""

import base64
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

import jwt
import pytest
from quart import Quart

from services.api.accounts.tokens import ACCESS, Session, access_token, read_refresh
from services.api.app import create_app
from services.api.auth import Need, access_of, need_of
from services.api.resources import Resources
from services.api.settings import ApiSettings
from shared.database.engine import open_engine
from shared.health import Health
from shared.signed import ISSUER
from shared.tickets import Holder, issue
from shared.timeseries.sqlite import SqliteStore
from tests.integration.accounts_rig import ADMIN, ANN, AUTH, BOB, SECRET, Accounts, required

ALL_SCOPES: Final = ("read", "write", "live")


class Route(NamedTuple):
    method: str
    path: str
    need: Need
    unknown: str
    """The same path with ids that nobody has; equal where there are none."""


def routes_of(app: Quart) -> Iterator[Route]:
    for rule in sorted(app.url_map.iter_rules(), key=lambda each: each.rule):
        need = need_of(app.view_functions[rule.endpoint])
        if need is not None:
            paths = [rule.build(dict.fromkeys(rule.arguments, value), append_unknown=False) for value in ("1", "999")]
            known, unknown = (built[1] for built in paths if built is not None)
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield Route(method, known, need, unknown)


def guarded_routes() -> list[Route]:
    """Of an app that opens nothing."""
    here = Path("nowhere")
    engine = open_engine("sqlite+aiosqlite:///nowhere")
    app = create_app(Resources(ApiSettings(_env_file=None), engine, SqliteStore(here), Health(), "0", here))
    found = list(routes_of(app))
    guarded = {name for name, view in app.view_functions.items() if access_of(view) in ("user", "admin")}
    assert len({route.path for route in found}) >= len(guarded) / 2
    return found


ROUTES: Final = guarded_routes()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Accounts]:
    async with required(tmp_path, request_burst=10_000) as given:
        yield given


async def refused(
    site: Accounts, token: str, *, but: Callable[[Route], bool] = lambda _: False
) -> set[tuple[int, str]]:
    """What all routes answer to this token."""
    seen: set[tuple[int, str]] = set()
    for route in ROUTES:
        if not but(route):
            answer = await site.ask(route.method, route.path, token, json={})
            seen.add((answer.status, answer.json["code"] if answer.status >= 400 else route.path))
            assert answer.status != 401 or "WWW-Authenticate" in answer.headers
    return seen


async def test_nobody_gets_in_without_a_token(site: Accounts) -> None:
    """401 on every route, and the way to mend it."""
    assert len(ROUTES) > 20
    assert await refused(site, "") == {(401, "unauthenticated")}


async def forged(site: Accounts) -> dict[str, str]:
    """Tokens that look right but for one thing."""
    now = int(site.clock.seconds())
    session = read_refresh(SECRET, (await site.login()).json["refresh_token"]).session
    claims = {"iss": ISSUER, "aud": ACCESS.audience, "sub": "2", "sid": session, "iat": now, "exp": now + 900}
    good = access_token(SECRET, Session(session, 2), now)
    assert (await site.get(f"{AUTH}/me", good)).status == 200
    key = ACCESS.key(SECRET)

    def encoded(part: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=")

    head, body, signature = good.split(".")
    return {
        "nonsense": "nonsense",
        "expired": access_token(SECRET, Session(session, 2), now - 3_600),
        "not yet": access_token(SECRET, Session(session, 2), now + 3_600),
        "wrong audience": jwt.encode({**claims, "aud": "telemetrio-ws"}, key, "HS256", headers={"typ": ACCESS.type}),
        "wrong issuer": jwt.encode({**claims, "iss": "else"}, key, "HS256", headers={"typ": ACCESS.type}),
        "no type": jwt.encode(claims, key, "HS256"),
        "another secret": access_token("x" * 40, Session(session, 2), now),
        "the secret itself as key": jwt.encode(claims, SECRET, "HS256", headers={"typ": ACCESS.type}),
        "none": f"{encoded({'alg': 'none', 'typ': ACCESS.type})}.{body}.",
        "none, with a signature": f"{encoded({'alg': 'none', 'typ': ACCESS.type})}.{body}.{signature}",
        "another's claims": f"{head}.{encoded({**claims, 'sub': '1'})}.{signature}",
        "a ticket": issue(SECRET, "ws", Holder(1, everybody=True), now),
        "a refresh token": (await site.login()).json["refresh_token"],
    }


async def test_a_token_that_is_not_quite_right_opens_nothing(site: Accounts) -> None:
    """Each kind of wrong token, on each route: 401."""
    for name, token in (await forged(site)).items():
        assert await refused(site, token) == {(401, "invalid_token")}, name


async def test_what_is_ended_opens_nothing(site: Accounts) -> None:
    """A token of an ended session or of somebody else's, a revoked or unknown key, a disabled user: 401 everywhere."""
    boss = await site.token(ADMIN)
    ended, token = await site.token(ANN), await site.token(ANN)
    key = await site.key(token, *ALL_SCOPES)
    await site.ask("POST", f"{AUTH}/logout", ended)
    await site.ask("DELETE", "/api/v1/api-keys/1", token)
    bobs = read_refresh(SECRET, (await site.login(BOB)).json["refresh_token"]).session
    mixed = access_token(SECRET, Session(bobs, 1), site.clock.seconds())
    for shown, code in (
        (ended, "session_ended"),
        (mixed, "session_ended"),
        (key, "invalid_key"),
        ("tk_x", "invalid_key"),
    ):
        assert await refused(site, shown) == {(401, code)}
    hers = await site.key(token, *ALL_SCOPES)
    await site.ask("PATCH", "/api/v1/users/2", boss, json={"disabled": True})
    assert await refused(site, token) == {(401, "session_ended")}
    assert await refused(site, hers) == {(401, "invalid_key")}


async def test_a_user_does_nothing_that_is_an_administrators(site: Accounts) -> None:
    """403 on each such route, by token and by key."""
    token = await site.token(ANN)
    key = await site.key(token, *ALL_SCOPES)
    for shown, codes in ((token, {(403, "admin_only")}), (key, {(403, "admin_only"), (403, "login_required")})):
        assert await refused(site, shown, but=lambda route: route.need.role != "admin") == codes


@pytest.mark.parametrize("scope", ["read", "write", "live", "admin"])
async def test_a_key_without_the_scope_is_refused(site: Accounts, scope: str) -> None:
    """403 on each route that asks for another scope, or for a login; an administrator's key, too."""
    key = await site.key(await site.token(ADMIN), scope)
    got = await refused(
        site, key, but=lambda route: not route.need.by_login and route.need.of_key(route.method) == scope
    )
    assert got <= {(403, "scope_missing"), (403, "login_required")}
    assert (403, "scope_missing") in got


async def test_who_must_change_the_password_first(site: Accounts) -> None:
    """403 on every route but those that this takes."""
    boss = await site.token(ADMIN)
    await site.ask("PUT", "/api/v1/users/2/password", boss, json={"password": "only for once"})
    token = (await site.login(ANN, "only for once")).json["access_token"]
    got = await refused(site, token, but=lambda route: route.need.before_change)
    assert got == {(403, "password_must_change")}


async def test_another_tenants_things_are_not_there(site: Accounts) -> None:
    """Each route with ids answers exactly as it does for ids that nobody has, and lists leave them out."""
    boss, hers = await site.token(ADMIN), await site.token(ANN)
    await site.post("/api/v1/items", {"name": "n"}, boss)
    await site.key(boss, "read")
    await site.api.add_devices("1", user_id=1)
    with_ids = [route for route in ROUTES if route.path != route.unknown and route.need.role != "admin"]
    assert len(with_ids) > 5
    for route in with_ids:
        theirs, nobodys = [await site.ask(route.method, path, hers, json={}) for path in (route.path, route.unknown)]
        assert theirs.status in (400, 404), (route, theirs.body)
        assert (theirs.status, theirs.json["code"]) == (nobodys.status, nobodys.json["code"]), route
    for path in ("/api/v1/items/1", "/api/v1/devices/1/readings"):
        assert (await site.get(path, boss)).status == 200
    for path in ("/api/devices", "/api/v1/items", "/api/v1/api-keys"):
        assert (await site.get(path, hers)).json == []
        assert (await site.get(path, boss)).json != []
