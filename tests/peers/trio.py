"""Ingest, api and realtime as three processes with accounts on PostgreSQL, between a real broker and a real store."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from services.api.accounts.first import EMAIL
from tests.peers.api import ApiProcess
from tests.peers.plant import DATABASE, Plant
from tests.peers.realtime import RealtimeProcess
from tests.peers.waiting import eventually

_ADMINS = "a sentence of the operator"


class Trio(NamedTuple):
    """`admin`: the headers of somebody who may do everything."""

    plant: Plant
    api: ApiProcess
    realtime: RealtimeProcess
    admin: dict[str, str]

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """It must work."""
        told = self.api.ask(method, path, body, port=0, **(headers or self.admin))
        assert told.status < 300, told
        return told.json if told.body else None

    def add_user(self, email: str, password: str, role: str = "user") -> int:
        """Its id."""
        person = {"email": email, "name": email, "role": role, "password": password, "must_change_password": False}
        return int(self.ask("POST", "/api/v1/users", person)["id"])

    def login(self, email: str, password: str) -> dict[str, str]:
        return login(self.api, email, password)


@contextmanager
def trio(folder: Path, database_url: str) -> Iterator[Trio]:
    """With one secret, one database and one broker between them."""
    with ExitStack() as stack:
        plant = stack.enter_context(Plant(folder, TELEMETRIO_DATABASE_URL=database_url))
        shared = {
            "TELEMETRIO_AUTH": "required",
            "TELEMETRIO_SECRET_KEY": secrets.token_urlsafe(48),
            "TELEMETRIO_DATABASE_URL": database_url,
            "TELEMETRIO_MQTT_URL": plant.broker.url,
            "TELEMETRIO_INFLUXDB_URL": plant.influx.url,
            "TELEMETRIO_INFLUXDB_BUCKET": DATABASE,
        }
        api = stack.enter_context(ApiProcess(folder / "api", **shared))
        realtime = RealtimeProcess(folder / "realtime", "realtime", **shared)
        stack.callback(realtime.stop)
        realtime.start()
        api.ready()
        eventually(lambda: realtime.dependency("feed") == "ok", 20)
        first = eventually(lambda: [line.split()[2] for line in api.log.splitlines() if line.startswith("login ")])[0]
        change = {"current_password": first, "new_password": _ADMINS}
        told = api.ask("POST", "/api/v1/auth/password", change, port=0, **login(api, EMAIL, first))
        assert told.status == 204, told
        yield Trio(plant, api, realtime, login(api, EMAIL, _ADMINS))


def login(api: ApiProcess, email: str, password: str) -> dict[str, str]:
    """The headers of who is logged in."""
    told = api.ask("POST", "/api/v1/auth/login", {"email": email, "password": password})
    assert told.status == 200, told
    return {"Authorization": f"Bearer {told.json['access_token']}"}
