"""An InfluxDB prepared: a real 1.6.7 that asks for users, and a 2.x as far as its manual tells."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from shared.process import ExitCode, Refusal
from shared.timeseries.influxhttp import InfluxHttp, Target
from telemetrio.provision.store import Wanted, provision
from tests.peers.influxdb import Influxd


def wanted(url: str, folder: Path, **given: Any) -> Wanted:
    return Wanted(url, "acme", "fleet", 0, "it's a password", "admin-token", folder)._replace(**given)


def token(folder: Path, right: str) -> str:
    return (folder / right / "token").read_text()


@pytest.fixture
def influxd(tmp_path: Path) -> Iterator[Influxd]:
    server = Influxd(tmp_path / "influxd", auth=True)
    server.start()
    yield server
    server.stop()


@pytest.mark.peer("influxd")
async def test_on_1x_one_user_writes_and_one_reads(influxd: Influxd, tmp_path: Path) -> None:
    """However often it is run; a token that was taken away is another one afterwards, and the old one ends."""
    folder = tmp_path / "tokens"
    for _ in range(2):
        said = await asyncio.to_thread(provision, wanted(influxd.url, folder))
        assert said.startswith("InfluxDB 1.6 has fleet")
    old = token(folder, "write")
    assert await written(influxd.url, old) == 204
    assert await written(influxd.url, token(folder, "read")) == 403
    (folder / "write" / "token").unlink()
    await asyncio.to_thread(provision, wanted(influxd.url, folder))
    assert await written(influxd.url, token(folder, "write")) == 204
    assert await written(influxd.url, old) == 401
    assert (folder / "write" / "token").stat().st_mode & 0o777 == 0o600


async def written(url: str, credentials: str) -> int:
    http = InfluxHttp(Target(url, credentials, "", "fleet"), 10)
    try:
        return (await http.write("fleet", b"probe v=1")).status
    finally:
        await http.close()


@pytest.mark.peer("influxd")
def test_another_administrators_server_is_not_taken(influxd: Influxd, tmp_path: Path) -> None:
    """With a password that isn't the one of its admin nothing is changed, and it is said."""
    provision(wanted(influxd.url, tmp_path / "tokens"))
    with pytest.raises(Refusal, match="401") as caught:
        provision(wanted(influxd.url, tmp_path / "others", admin_password="a guess"))  # noqa: S106 - invented
    assert caught.value.code == ExitCode.DIED
    assert not (tmp_path / "others").exists()


class Second:
    """What `/api/v2` of 2.x does, as far as it is asked here."""

    def __init__(self) -> None:
        self.admin: dict[str, Any] = {}
        self.buckets: dict[str, dict[str, Any]] = {}
        self.authorizations: list[dict[str, Any]] = []
        self.url = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Second"]:
        app = web.Application()
        app.router.add_get("/ping", self._ping)
        app.router.add_get("/api/v2/setup", self._allowed)
        app.router.add_post("/api/v2/setup", self._setup)
        app.router.add_get("/api/v2/orgs", self._orgs)
        app.router.add_get("/api/v2/buckets", self._buckets)
        app.router.add_get("/api/v2/authorizations", self._list)
        app.router.add_post("/api/v2/authorizations", self._make)
        app.router.add_patch("/api/v2/authorizations/{id}", self._change)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            await runner.cleanup()

    async def _ping(self, _request: web.Request) -> web.Response:
        return web.Response(status=204, headers={"X-Influxdb-Version": "v2.7.12"})

    async def _allowed(self, _request: web.Request) -> web.Response:
        return _answered({"allowed": not self.admin})

    async def _orgs(self, _request: web.Request) -> web.Response:
        return _answered({"orgs": [{"id": "o1"}]})

    async def _setup(self, request: web.Request) -> web.Response:
        if self.admin:
            return _answered({"code": "conflict", "message": "onboarding has already been completed"}, 422)
        self.admin = await request.json()
        self.buckets[self.admin["bucket"]] = {"id": "b1", "orgID": "o1", "name": self.admin["bucket"]}
        return _answered({}, 201)

    def _refused(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") != f"Token {self.admin.get('token')}"

    async def _buckets(self, request: web.Request) -> web.Response:
        if self._refused(request):
            return _answered({"code": "unauthorized", "message": "unauthorized access"}, 401)
        found = self.buckets.get(request.query["name"])
        return _answered({"buckets": [found] if found else []})

    async def _list(self, _request: web.Request) -> web.Response:
        return _answered({"authorizations": self.authorizations})

    async def _make(self, request: web.Request) -> web.Response:
        number = len(self.authorizations)
        made = {**await request.json(), "id": str(number), "token": f"made-{number}", "status": "active"}
        self.authorizations.append(made)
        return _answered(made, 201)

    async def _change(self, request: web.Request) -> web.Response:
        one = self.authorizations[int(request.match_info["id"])]
        one |= await request.json()
        return _answered(one)


def _answered(told: Any, status: int = 200) -> web.Response:
    return web.json_response(told, status=status)


async def test_on_2x_it_is_set_up_once_with_two_tokens(tmp_path: Path) -> None:
    """Each for one bucket and one right; a token that was taken away is made anew, and the old one ends."""
    async with Second().running() as server:
        asked = wanted(server.url, tmp_path)
        for _ in range(2):
            assert "2.7" in await asyncio.to_thread(provision, asked)
        assert server.admin["password"] == "it's a password"  # noqa: S105 - invented
        rights = {one["description"]: one["permissions"] for one in server.authorizations}
        resource = {"type": "buckets", "id": "b1", "orgID": "o1"}
        assert rights == {
            "telemetrio_ingest": [{"action": "write", "resource": resource}],
            "telemetrio_reader": [{"action": "read", "resource": resource}],
        }
        assert (token(tmp_path, "write"), token(tmp_path, "read")) == ("made-0", "made-1")
        (tmp_path / "write" / "token").unlink()
        await asyncio.to_thread(provision, asked)
        assert token(tmp_path, "write") == "made-2"
        assert [one["status"] for one in server.authorizations] == ["inactive", "active", "active"]


async def test_what_cant_be_prepared_is_said(tmp_path: Path) -> None:
    """A token that isn't the administrator's, and a server that never comes."""
    async with Second().running() as server:
        await asyncio.to_thread(provision, wanted(server.url, tmp_path / "first"))
        with pytest.raises(Refusal, match="unauthorized access"):
            await asyncio.to_thread(provision, wanted(server.url, tmp_path / "second", admin_token="a guess"))  # noqa: S106 - invented
    with pytest.raises(Refusal, match="no answer in time"):
        await asyncio.to_thread(provision, wanted(server.url, tmp_path, within_s=0.1))
