"""Every route says who may: a role, or public."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from quart import Quart

from services.api import pages, probes
from services.api.accounts import routes as accounts
from services.api.analytics import routes as analytics
from services.api.apikeys import routes as apikeys
from services.api.app import create_app
from services.api.audit import routes as audit
from services.api.auth import LOCAL_ADMIN, Caller, access_of, guarded, public
from services.api.bulk import routes as bulk
from services.api.compat import routes as compat
from services.api.credentials import routes as credentials
from services.api.deadletters import routes as deadletters
from services.api.devices import routes as devices
from services.api.ingest import routes as ingest
from services.api.items import routes as items
from services.api.live import routes as live
from services.api.mobile import routes as mobile
from services.api.orders import routes as orders
from services.api.people import routes as people
from services.api.profiles import routes as profiles
from services.api.readings import routes as readings
from services.api.resources import Resources
from services.api.sessions import routes as sessions
from services.api.settings import ApiSettings
from services.api.transfer import routes as transfer
from services.api.users import routes as users
from shared.database.engine import open_engine
from shared.health import Health
from shared.timeseries.sqlite import SqliteStore

PUBLIC = {
    "accounts.login",
    "accounts.logout",
    "accounts.refresh",
    "accounts.register",
    "probes.about",
    "probes.health",
    "probes.healthz",
    "probes.readyz",
    "pages.dashboard",
    "pages.docs",
    "pages.openapi",
    "pages.asset",
    "pages.swagger",
    "pages.top_file",
}


@pytest.fixture
def app(tmp_path: Path) -> Quart:
    """Made without opening anything."""
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path / 't.db'}")
    settings = ApiSettings(_env_file=None, data_dir=tmp_path)
    return create_app(Resources(settings, engine, SqliteStore(tmp_path / "r.db"), Health(), "0", tmp_path))


def unguarded(app: Quart) -> Iterator[str]:
    for rule in app.url_map.iter_rules():
        if access_of(app.view_functions[rule.endpoint]) is None:
            yield rule.rule


def test_every_route_is_guarded_or_says_public(app: Quart) -> None:
    """A route that forgot is found here, not by a stranger."""
    assert list(unguarded(app)) == []


def test_what_is_public_is_known_by_name(app: Quart) -> None:
    """To open a route to everybody takes a change of this list."""
    found = {name for name, handler in app.view_functions.items() if access_of(handler) == "public"}
    assert found == PUBLIC


def test_a_route_that_forgot_is_found(app: Quart) -> None:
    """The check itself works."""

    async def forgotten() -> str:
        return "everything"

    app.add_url_rule("/forgotten", view_func=forgotten)
    assert list(unguarded(app)) == ["/forgotten"]


def test_every_part_of_the_api_is_in_the_app(app: Quart) -> None:
    """A folder with routes that nobody registered would be dead code."""
    parts = [
        accounts,
        analytics,
        apikeys,
        audit,
        bulk,
        compat,
        credentials,
        deadletters,
        devices,
        ingest,
        items,
        live,
        mobile,
        orders,
        pages,
        people,
        probes,
        profiles,
        readings,
        sessions,
        transfer,
        users,
    ]
    assert set(app.blueprints) == {part.routes.name for part in parts}


async def test_a_guard_names_the_caller(app: Quart) -> None:
    """While the door is open that is the local admin, who sees everybody's data; a user sees their own."""

    @guarded()
    async def handler(caller: Caller, word: str) -> tuple[Caller, str]:
        return caller, word

    async with app.test_request_context("/"):
        assert await handler("hello") == (LOCAL_ADMIN, "hello")
    assert LOCAL_ADMIN.tenants is None
    assert Caller(7, "user").tenants == (7,)
    assert access_of(handler) == "user"


def test_public_is_said_in_code() -> None:
    """It marks the function itself."""

    async def handler() -> None: ...

    assert access_of(handler) is None
    assert access_of(public(handler)) == "public"
