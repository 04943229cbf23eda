"""Buckets made on a real InfluxDB 1.6.7, and on a 2.x as far as its manual tells."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from shared.timeseries.bucketmaker import BucketMaker
from shared.timeseries.buckets import BucketPerUser
from shared.timeseries.influxhttp import Target
from shared.timeseries.store import Denied, Missing, Unavailable
from tests.peers.influxdb import Influxd

DAY_S = 86_400


@pytest.fixture(scope="module")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    server = Influxd(tmp_path_factory.mktemp("influxd"))
    server.start()
    yield server
    server.stop()


@asynccontextmanager
async def maker(url: str, days: int = 0, token: str = "") -> AsyncIterator[BucketMaker]:
    made = BucketMaker(Target(url, token, "acme", "b"), days)
    try:
        yield made
    finally:
        await made.close()


def kept(influxd: Influxd, database: str) -> tuple[str, str]:
    """(duration, shard duration) of what is kept."""
    (series,) = influxd.query(f"SHOW RETENTION POLICIES ON {database}")["series"]
    (policy,) = [dict(zip(series["columns"], row, strict=True)) for row in series["values"]]
    assert policy["default"]
    return policy["duration"], policy["shardGroupDuration"]


@pytest.mark.peer("influxd")
async def test_a_database_is_made_once_and_a_store_finds_it(influxd: Influxd) -> None:
    """However often it is asked for; what is in it stays, and without a retention it stays for ever."""
    store = BucketPerUser(Target(influxd.url, "", "", "made"))
    try:
        with pytest.raises(Missing):
            await store.ping()
        async with maker(influxd.url) as making:
            await making.ensure("made_1")
            influxd.write("made_1", "m v=1 1")
            await making.ensure("made_1")
        await store.ping()
    finally:
        await store.close()
    assert influxd.query("SELECT v FROM m", "made_1")["series"][0]["values"] == [[1, 1]]
    assert kept(influxd, "made_1") == ("0s", "168h0m0s")


@pytest.mark.peer("influxd")
@pytest.mark.parametrize(("days", "shard"), [(1, "1h0m0s"), (30, "24h0m0s"), (365, "168h0m0s")])
async def test_a_retention_is_set_on_new_and_old_databases(influxd: Influxd, days: int, shard: str) -> None:
    """With shards as the server chooses them itself for so long; without one, what an operator set is left alone."""
    influxd.query(f"CREATE DATABASE old_{days}")
    async with maker(influxd.url, days) as making:
        for name in (f"new_{days}", f"old_{days}", f"old_{days}"):
            await making.ensure(name)
    assert [kept(influxd, f"{age}_{days}") for age in ("new", "old")] == [(f"{24 * days}h0m0s", shard)] * 2
    async with maker(influxd.url) as making:
        await making.ensure(f"old_{days}")
    assert kept(influxd, f"old_{days}")[0] == f"{24 * days}h0m0s"


@pytest.mark.peer("influxd")
async def test_a_name_is_only_a_name(influxd: Influxd) -> None:
    """Quotes in it end nothing."""
    async with maker(influxd.url, 7) as making:
        await making.ensure('a"; DROP DATABASE "made_1')
    (series,) = influxd.query("SHOW DATABASES")["series"]
    assert ['a"; DROP DATABASE "made_1'] in series["values"]


async def test_a_server_that_is_away_is_an_outage() -> None:
    """To be tried again."""
    async with maker("http://127.0.0.1:1") as making:
        with pytest.raises(Unavailable):
            await making.ensure("b_1")


class Two:
    """An InfluxDB 2.x, as its manual has it: organizations, buckets, and who may."""

    def __init__(self) -> None:
        self.buckets: dict[str, dict[str, Any]] = {}
        self.asked: list[str] = []
        self.raced = False
        self.url = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator["Two"]:
        app = web.Application()
        app.router.add_get("/ping", self._ping)
        app.router.add_get("/api/v2/orgs", self._orgs)
        app.router.add_get("/api/v2/buckets", self._find)
        app.router.add_post("/api/v2/buckets", self._make)
        app.router.add_patch("/api/v2/buckets/{id}", self._change)
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

    def _may(self, request: web.Request) -> web.Response | None:
        self.asked.append(f"{request.method} {request.path}")
        if request.headers.get("Authorization") == "Token operator":
            return None
        return web.json_response({"code": "unauthorized", "message": "unauthorized access"}, status=401)

    async def _orgs(self, request: web.Request) -> web.Response:
        org = request.query["org"]
        if org != "acme":
            message = f'organization name "{org}" not found'
            return web.json_response({"code": "not found", "message": message}, status=404)
        return self._may(request) or web.json_response({"orgs": [{"id": "0123", "name": org}]})

    async def _find(self, request: web.Request) -> web.Response:
        name = request.query["name"]
        assert request.query["orgID"] == "0123"
        found = None if self.raced else self.buckets.get(name)
        if found is None:
            message = f'bucket "{name}" not found'
            return self._may(request) or web.json_response({"code": "not found", "message": message}, status=404)
        return self._may(request) or web.json_response({"buckets": [found]})

    async def _make(self, request: web.Request) -> web.Response:
        sent = await request.json()
        assert sent["orgID"] == "0123"
        if sent["name"] in self.buckets:
            said = {"code": "conflict", "message": f"bucket with name {sent['name']} already exists"}
            return self._may(request) or web.json_response(said, status=422)
        self.buckets[sent["name"]] = {"id": str(len(self.buckets)), **sent}
        return self._may(request) or web.json_response(self.buckets[sent["name"]], status=201)

    async def _change(self, request: web.Request) -> web.Response:
        (bucket,) = [each for each in self.buckets.values() if each["id"] == request.match_info["id"]]
        bucket.update(await request.json())
        return self._may(request) or web.json_response(bucket)


def rules(days: int) -> list[dict[str, Any]]:
    return [{"type": "expire", "everySeconds": days * DAY_S}]


async def test_a_bucket_of_2x_is_made_with_its_rule_and_kept_to_it() -> None:
    """Made once; another rule is set, the same one is not, and none at all changes nothing."""
    async with Two().running() as server:
        for days, expected in ((0, []), (7, rules(7)), (7, rules(7)), (30, rules(30)), (0, rules(30))):
            async with maker(server.url, days, "operator") as making:
                await making.ensure("b_1")
            assert server.buckets["b_1"]["retentionRules"] == expected
        changes = [line for line in server.asked if not line.startswith("GET")]
        assert changes == ["POST /api/v2/buckets", *["PATCH /api/v2/buckets/0"] * 2]
        async with maker(server.url, 7, "operator") as making:
            await making.ensure("b_2")
        assert server.buckets["b_2"]["retentionRules"] == rules(7)


async def test_a_bucket_that_somebody_else_makes_meanwhile_is_there() -> None:
    """Two replicas look at the same time."""
    async with Two().running() as server, maker(server.url, 0, "operator") as making:
        await making.ensure("b_1")
        server.raced = True
        await making.ensure("b_1")
    assert list(server.buckets) == ["b_1"]


async def test_a_token_that_may_not_is_said() -> None:
    """In the server's words."""
    async with Two().running() as server, maker(server.url, 0, "a worker's") as making:
        with pytest.raises(Denied, match="unauthorized access"):
            await making.ensure("b_1")
