"""The doctor on real servers: each planted fault is found with its mend, and on a healthy system there is nothing."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from click.testing import CliRunner

from shared.books import COLUMNS
from shared.broker import BrokerSettings
from shared.database.engine import open_engine
from shared.database.migrations.upgrade import upgrade
from shared.timeseries.influxhttp import Target
from shared.timeseries.settings import StoreSettings
from telemetrio.__main__ import cli
from telemetrio.doctor import broker as doctors_broker
from telemetrio.doctor.books import check_ledger
from telemetrio.doctor.broker import check_broker, check_queue, check_share
from telemetrio.doctor.clock import check_clock_by, check_clock_of
from telemetrio.doctor.database import check_migrations
from telemetrio.doctor.examination import NAMES, examine, read_all
from telemetrio.doctor.line import connected
from telemetrio.doctor.proxy import check_proxy
from telemetrio.doctor.store import check_query, check_write
from tests.fakes.influxdb import FakeInflux
from tests.peers.certificates import authority
from tests.peers.dynsec import secured
from tests.peers.guarded import Guarded
from tests.peers.influxdb import Influxd
from tests.peers.mosquitto import OPEN, Mosquitto, free_port
from tests.peers.nginx import UPGRADE, Nginx
from tests.peers.postgres import Cluster, cluster, shared_cluster
from tests.peers.system import System

__all__ = ["cluster", "shared_cluster"]  # fixtures, asked for by their names

TUNED = f"{OPEN}max_inflight_messages 1000\nmax_queued_messages 100000\nmax_packet_size 1048576\n"
HOUR_S = 3_600


def settings(url: str) -> BrokerSettings:
    return BrokerSettings(_env_file=None, mqtt_url=url)


def run(folder: Path, *words: str, **environment: str) -> Any:
    """The report for programs, of `telemetrio doctor` with these settings."""
    done = CliRunner().invoke(cli, ["doctor", "--json", "--data-dir", str(folder), *words], env=environment)
    told = json.loads(done.stdout)
    assert done.exit_code == (0 if told["healthy"] else 1)
    return told


@pytest.fixture(scope="module")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    server = Influxd(tmp_path_factory.mktemp("influxd"))
    server.start()
    server.query("CREATE DATABASE telemetrio")
    yield server
    server.stop()


@pytest.mark.peer("mosquitto")
async def test_a_stock_mosquitto_is_found_wanting(tmp_path: Path) -> None:
    """Its window of 20, its queue of 1,000, messages of any size, and a shared subscription that keeps its own."""
    with Mosquitto(tmp_path, log="error") as stock:
        said = [*await check_broker(settings(stock.url)), *await check_queue(settings(stock.url))]
        shared = await check_share(settings(stock.url))
    assert [finding.found for finding in said] == [
        "It takes 20 unacknowledged messages of a client at a time",
        "It takes messages of any size, ingest of 1048576 bytes at most",
        "Of 1500 messages to a client that was away it kept 1000",
    ]
    assert [finding.check for finding in shared] == ["share"]


@pytest.mark.peer("mosquitto")
async def test_no_session_of_ours_is_left_at_the_broker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even of the check that asks for one of a day, to see what it is granted."""
    names: list[str] = []

    def named() -> str:
        names.append(f"telemetrio/doctor/{len(names)}")
        return names[-1]

    monkeypatch.setattr(doctors_broker, "_name", named)
    with Mosquitto(tmp_path, TUNED, log="error") as tuned:
        for check in (check_broker, check_queue, check_share):
            await check(settings(tuned.url))
        assert names
        for name in names:
            async with connected(settings(tuned.url), name, fresh=False) as line:
                assert not line.greeting.session_present, name


@pytest.mark.peer("mosquitto")
@pytest.mark.peer("influxd")
@pytest.mark.peer("postgres")
def test_nothing_is_found_where_all_is_well(tmp_path: Path, influxd: Influxd, shared_cluster: Cluster) -> None:
    """On a tuned Mosquitto, InfluxDB and PostgreSQL; and at the broker no session of ours is left."""
    data = tmp_path / "data"
    data.mkdir()
    with Mosquitto(tmp_path, TUNED, log="notice") as broker:
        environment = {
            "TELEMETRIO_MQTT_URL": broker.url,
            "TELEMETRIO_INFLUXDB_URL": influxd.url,
            "TELEMETRIO_DATABASE_URL": shared_cluster.url.replace("+asyncpg", ""),
        }
        told = run(data, **environment)
    assert told["findings"] == []
    assert told["examined"] == ["broker", "queue", "write", "query", "clock", "disk", "migrations", "books"]
    assert set(told["left_out"]) == {"share", "proxy"}


@pytest.mark.peer("mosquitto")
@pytest.mark.peer("mosquitto_dynsec")
async def test_a_broker_that_is_not_ours_to_use(tmp_path: Path) -> None:
    """One that isn't there, one that speaks something else, one with another password, one that forbids the trial."""
    (away,) = await check_broker(settings(f"mqtt://127.0.0.1:{free_port()}"))
    assert "TELEMETRIO_MQTT_URL" in away.mend
    async with FakeInflux("2.7.12").running() as other:
        (strange,) = await check_broker(settings(other.url.replace("http", "mqtt")))
    assert "can't be used" in strange.found
    with secured(tmp_path) as broker:
        (refused,) = await check_broker(settings(f"mqtt://api:wrong-one@127.0.0.1:{broker.port}"))
        assert "not authorized" in refused.found
        assert "wrong-one" not in str(refused)
    rules = tmp_path / "acl"
    rules.write_text("topic read nothing\n")
    with Mosquitto(tmp_path, f"{OPEN}acl_file {rules}\n") as forbidding:
        for check in (check_queue, check_share):
            (untried,) = await check(settings(forbidding.url))
            assert "telemetrio/doctor/#" in untried.mend


async def test_a_wrong_token() -> None:
    """It may neither write nor query; each is said by itself, and the token isn't."""

    async def forbidden(_fake: FakeInflux, _request: web.Request, _body: bytes) -> web.StreamResponse:
        return web.json_response({"code": "unauthorized", "message": "unauthorized access"}, status=401)

    async with FakeInflux("2.7.12", "right", "telemetrio").running() as fake:
        fake.query_fault = forbidden
        wrong = Target(fake.url, "wrong-one", "org", "telemetrio")
        found = [*await check_write(wrong), *await check_query(wrong)]
    assert [finding.check for finding in found] == ["write", "query"]
    assert all("TELEMETRIO_INFLUXDB_TOKEN" in finding.mend for finding in found)
    assert "wrong-one" not in str(found)


@pytest.mark.peer("influxd")
async def test_a_missing_bucket(influxd: Influxd) -> None:
    """By its name, whether one writes to it or asks it."""
    target = Target(influxd.url, "", "", "nowhere")
    found = [*await check_write(target), *await check_query(target)]
    assert [finding.found.split(" at ")[0] for finding in found] == ["There is no bucket 'nowhere'"] * 2
    (away,) = await check_write(Target(f"http://127.0.0.1:{free_port()}", "", "", "b"))
    assert "TELEMETRIO_INFLUXDB_URL" in away.mend


async def late(_fake: FakeInflux, _request: web.Request, _body: bytes) -> web.StreamResponse:
    """The answer of a server whose clock is behind."""
    return web.Response(status=204, headers={"Date": formatdate(time.time() - HOUR_S, usegmt=True)})


@pytest.mark.peer("postgres")
async def test_a_clock_that_is_off_by_an_hour(shared_cluster: Cluster) -> None:
    """Ours, or that of the store: found by the Date of an answer, and by PostgreSQL's."""
    async with FakeInflux("2.7.12").running() as fake:
        url = f"{fake.url}/ping"
        assert list(await check_clock_by(url)) == []
        assert "behind" in (await check_clock_by(url, lambda: time.time() + HOUR_S))[0].found
        fake.ping_fault = late
        assert "behind" in (await check_clock_by(url))[0].found
    assert list(await check_clock_by(url)) == []  # whoever is away has no clock
    engine = open_engine(shared_cluster.url)
    assert list(await check_clock_of(engine)) == []
    assert "ahead of" in (await check_clock_of(engine, lambda: time.time() - HOUR_S))[0].found
    await engine.dispose()


@pytest.mark.peer("openssl")
async def test_a_clock_behind_a_private_certificate(tmp_path: Path) -> None:
    """Is asked with the authority of the settings."""
    ours = authority(tmp_path)
    async with FakeInflux("2.7.12").running(ours.server(tmp_path)) as fake:
        fake.ping_fault = late
        store = StoreSettings(_env_file=None, influxdb_url=fake.url, influxdb_ca_file=ours.certificate)
        patient = read_all(data_dir=tmp_path)._replace(store=store)
        report = await examine(patient, [name for name in NAMES if name != "clock"])
    assert [finding.check for finding in report.findings] == ["clock"]


async def test_a_database_of_an_older_version(tmp_path: Path) -> None:
    """Found, and not mended by looking; books in it are not asked for."""
    engine = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'telemetrio.db'}")
    await upgrade(engine, "0002")
    (found,) = await check_migrations(engine)
    assert ("at version 0002" in found.found, "telemetrio db upgrade" in found.mend) == (True, True)
    assert list(await check_ledger(engine)) == []
    await upgrade(engine)
    assert list(await check_migrations(engine)) == []
    await engine.dispose()


def test_a_database_that_is_away(tmp_path: Path) -> None:
    """Each check that asks it says so; the others go on."""
    url = f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"
    told = run(tmp_path, TELEMETRIO_DATABASE_URL=url)
    assert [finding["check"] for finding in told["findings"]] == ["clock", "migrations", "books"]
    assert "disk" in told["examined"]


@pytest.fixture(scope="module")
def quick_system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """A `telemetrio up` whose live streams have a heartbeat each second and a half."""
    running = System(tmp_path_factory.mktemp("quick") / "data", TELEMETRIO_HEARTBEAT_S="1.5")
    running.start()
    yield running
    running.stop()


@pytest.mark.peer("nginx")
async def test_proxies(quick_system: System, tmp_path: Path) -> None:
    """One that passes all, one that cuts quiet streams, one that passes no WebSocket, one with nothing behind it."""
    target = int(quick_system.http.rpartition(":")[2])
    with Nginx(tmp_path, target) as good:
        assert list(await check_proxy(good.url)) == []
    with Nginx(tmp_path, target, f"{UPGRADE} proxy_read_timeout 1s;") as hasty:
        (cut,) = await check_proxy(hasty.url)
    assert "was cut after 1 s" in cut.found
    with Nginx(tmp_path, target, "") as plain:
        (deaf,) = await check_proxy(plain.url)
    assert "does not pass the upgrade on" in deaf.found
    with Nginx(tmp_path, free_port()) as empty:
        (broken,) = await check_proxy(empty.url)
    assert "502" in broken.found
    with Nginx(tmp_path, target, f"{UPGRADE} proxy_set_header Host iot.example.org;") as named:
        (unknown,) = await check_proxy(named.url)
    assert "TELEMETRIO_ALLOWED_HOSTS" in unknown.mend
    assert "can't be used" in (await check_proxy(f"http://127.0.0.1:{free_port()}"))[0].found


@pytest.mark.peer("nginx")
def test_a_proxy_where_one_must_log_in(tmp_path: Path) -> None:
    """By an API key's ticket a quiet stream is watched to its heartbeat; one that is none is named as such."""
    (tmp_path / "doctor").mkdir()
    system = Guarded(tmp_path / "data", TELEMETRIO_HEARTBEAT_S="1.5")
    system.start()
    try:
        target = int(system.http.rpartition(":")[2])
        key = system.ask("POST", "/api/v1/api-keys", {"name": "doctor", "scopes": ["live"]})["key"]
        with Nginx(tmp_path, target, f"{UPGRADE} proxy_read_timeout 1s;") as hasty:
            (cut,) = look(tmp_path, hasty.url, key)
            (unknown,) = look(tmp_path, hasty.url, "tk_nobody")
        with Nginx(tmp_path, target) as good:
            assert look(tmp_path, good.url, key) == []
    finally:
        system.stop()
    assert "was cut after 1 s" in cut["found"]
    assert ("TELEMETRIO_API_KEY" in unknown["mend"], "tk_nobody" in str(unknown)) == (True, False)


def look(folder: Path, url: str, key: str) -> Any:
    """What is found of a proxy."""
    others = [word for name in NAMES if name != "proxy" for word in ("--skip", name)]
    return run(folder / "doctor", "--url", url, *others, TELEMETRIO_API_KEY=key)["findings"]


def test_books_that_somebody_turned(quick_system: System) -> None:
    """While it runs its books are recounted and right; a turned counter is found in its file and in the table."""
    assert run(quick_system.data_dir)["findings"] == []
    with closing(sqlite3.connect(quick_system.data_dir / "telemetrio.db", timeout=10)) as database, database:
        row = {
            **dict.fromkeys(COLUMNS, 0),
            "source": "nobody",
            "epoch": "e",
            "received": 1,
            "updated_ns": time.time_ns(),
        }
        names = ", ".join(row)
        marks = ", ".join("?" * len(row))
        database.execute(f"INSERT INTO ingest_books ({names}) VALUES ({marks})", (*row.values(),))  # noqa: S608
    (found,) = run(quick_system.data_dir)["findings"]
    assert (found["check"], "nobody (e) do not balance" in found["found"]) == ("books", True)
