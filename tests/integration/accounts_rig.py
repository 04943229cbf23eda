"""The API with `auth = required`, a clock of the test's own, an administrator and two users who can log in."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from sqlalchemy import update

from services.api.accounts.passwords import Passwords
from services.api.door import KEY, Door
from shared.database.tables import users
from tests.integration.api_rig import NOON_NS, Answer, Api, opened

AUTH: Final = "/api/v1/auth"
PASSWORD: Final = "a sentence of ours"  # noqa: S105 - of a test
ADMIN, ANN, BOB = "admin@localhost", "ann@example.org", "bob@example.org"
SECRET: Final = "a secret of this test, long enough to be one"  # noqa: S105

_hashed: dict[str, str] = {}


class Clock:
    """Both of the door's clocks."""

    def __init__(self) -> None:
        self.ns = NOON_NS

    def forward(self, seconds: float) -> None:
        self.ns += round(seconds * 1e9)

    def seconds(self) -> float:
        return self.ns / 1e9


@dataclass(frozen=True, slots=True)
class Accounts:
    api: Api
    clock: Clock

    @property
    def door(self) -> Door:
        found: Door = self.api.app.extensions[KEY]
        return found

    async def ask(
        self, method: str, path: str, token: str = "", headers: Mapping[str, str] | None = None, **given: Any
    ) -> Answer:
        shown = {"Authorization": f"Bearer {token}"} if token else {}
        return await self.api.ask(method, path, headers={**shown, **(headers or {})}, **given)

    async def get(self, path: str, token: str = "") -> Answer:
        return await self.ask("GET", path, token)

    async def post(self, path: str, value: Any = None, token: str = "") -> Answer:
        return await self.ask("POST", path, token, json=value)

    async def login(self, email: str = ANN, password: str = PASSWORD, **more: Any) -> Answer:
        return await self.post(f"{AUTH}/login", {"email": email, "password": password, **more})

    async def token(self, email: str = ANN) -> str:
        answer = await self.login(email)
        assert answer.status == 200, answer.json
        token: str = answer.json["access_token"]
        return token

    async def refresh(self, token: str) -> Answer:
        return await self.post(f"{AUTH}/refresh", {"refresh_token": token})

    async def key(self, token: str, *scopes: str, **more: Any) -> str:
        made = await self.post("/api/v1/api-keys", {"name": "k", "scopes": list(scopes), **more}, token)
        assert made.status == 201, made.json
        key: str = made.json["key"]
        return key


@asynccontextmanager
async def required(folder: Path, url: str = "", **settings: Any) -> AsyncIterator[Accounts]:
    """User 1 is the administrator, 2 is Ann, 3 is Bob; all have PASSWORD."""
    given = {"auth": "required", "secret_key": SECRET, **settings}
    async with opened(folder, url, **given) as api:
        clock = Clock()
        api.app.extensions[KEY] = replace(api.app.extensions[KEY], now_ns=lambda: clock.ns, moment_s=clock.seconds)
        if not _hashed:  # once for all tests
            _hashed[PASSWORD] = await Passwords().hash(PASSWORD)
        row = {"password_hash": _hashed[PASSWORD], "created_ns": NOON_NS}
        async with api.engine.begin() as connection:
            await connection.execute(update(users).where(users.c.id == 1).values(email=ADMIN, **row))
        for email in (ANN, BOB):
            await api.fill(users, {"name": email.partition("@")[0].title(), "email": email, "role": "user", **row})
        yield Accounts(api, clock)
