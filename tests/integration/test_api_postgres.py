"""The API on a real PostgreSQL: what SQLite forgives, and a server that goes away and comes back."""

import asyncio
import time
from pathlib import Path

import pytest

from services.api.transfer import queries
from services.api.transfer.judging import Target
from shared.database.migrations.upgrade import downgrade, upgrade
from shared.database.tables import dead_letters, device_measurements, device_status, ingest_books, latest
from shared.readings import Reading
from tests.fakes.batches import write
from tests.integration.api_rig import NOON_NS, Api, opened
from tests.peers.postgres import Cluster

pytestmark = pytest.mark.peer("postgres")


async def test_the_api_on_postgresql(cluster: Cluster, tmp_path: Path) -> None:
    """Devices, letters and items read back as on SQLite; after a crash of the server the API goes on by itself."""
    async with opened(tmp_path, cluster.url) as api:
        assert (await api.post("/api/devices", {"device_id": "d1", "name": "n"})).status == 201
        assert (await api.post("/api/devices", {"device_id": "d1", "name": "n"})).status == 400
        seen = {"device_id": "d1", "user_id": 1, "ts_ns": time.time_ns()}
        await api.fill(device_status, {**seen, "status": "offline"})
        values = {"temperature": 1.5, "mode": "ü", "door": True}
        await api.fill(latest, {**seen, "measurement": "m", "seen_ns": NOON_NS, "values": values})
        device = (await api.get("/api/devices")).json[0]
        assert (device["values"], device["claimed"], device["status"]) == (values, True, "offline")
        newest = (await api.get("/api/v1/readings/latest?devices=*")).json["data"]
        assert [(one["device_id"], one["values"]) for one in newest] == [("d1", values)]
        await write(api.store, [Reading("d1", 1, "m", NOON_NS, {"a": 1.0})])
        for wanted in ("*", ["d1", "d2"]):
            asked = {"devices": wanted, "metrics": ["a"], "start": 0, "end": "now", "aggregates": ["sum"]}
            found = (await api.post("/api/v1/readings/query", asked)).json
            assert [series["rows"][0][1] for series in found["series"]] == [1.0]

        payload = b"\xff\x00ok"
        letter = {"source": "s", "epoch": "e", "letter": 1, "user_id": 1, "device_id": "d1", "kind": "message"}
        more = {
            "code": "not_utf8",
            "detail": "",
            "topic": "t",
            "received_ns": NOON_NS,
            "entries": 1,
            "paths": [["a", "b"]],
        }
        await api.fill(dead_letters, {**letter, **more, "payload": payload, "payload_bytes": 4, "sha256": "x"})
        page = (await api.get("/api/v1/dead-letters?code=not_utf8")).json
        assert page["data"][0]["payload_text"] == "\ufffd\x00ok"
        assert page["data"][0]["paths"] == [{"path": "a", "code": "b"}]
        assert (await api.get("/api/v1/dead-letters/1/raw")).body == payload

        assert (await api.post("/api/v1/items", {"name": "n", "quantity": 2**63 - 1})).json["quantity"] == 2**63 - 1
        assert (await api.put("/api/v1/items/1", {"status": "active"})).json["status"] == "active"

        cluster.stop()
        for path in ("/api/devices", "/api/v1/items", "/api/v1/ingest/books"):
            away = await api.get(path)
            assert (away.status, away.json["code"]) == (503, "database_unavailable")
            assert away.headers["Retry-After"] == "5"
        cluster.start()
        assert (await api.get("/api/devices")).json[0]["device_id"] == "d1"


async def test_orders_and_users_on_postgresql(cluster: Cluster, tmp_path: Path) -> None:
    """As on SQLite: of many at once one gets the number, a used item stays, no id of a user is given twice."""
    async with opened(tmp_path, cluster.url) as api:
        for name in ("bolt", "nut"):
            await api.post("/api/v1/items", {"name": name})
        lines = [{"item_id": "2", "quantity": 2}, {"item_id": "1", "quantity": 2**63 - 1}]
        sent = {"internal_number": "Ä-1", "items": lines}
        answers = await asyncio.gather(*(api.post("/api/v1/orders", sent) for _ in range(8)))
        assert sorted(answer.status for answer in answers) == [201] + [400] * 7
        made = (await api.get("/api/v1/orders?q=-1")).json[0]
        path = f"/api/v1/orders/{made['id']}"
        assert made["items"] == lines
        assert (await api.ask("DELETE", "/api/v1/items/1")).json["code"] == "item_in_use"
        await api.post("/api/v1/orders", {"internal_number": "b"})
        assert (await api.put(path, {"internal_number": "b", "items": []})).json["code"] == "order_exists"
        assert (await api.put(path, {"items": [{"item_id": "3"}]})).json["code"] == "item_not_found"
        assert (await api.get(path)).json == made
        changes = [[{"item_id": "1", "quantity": number}] * number for number in range(1, 7)]
        changed = await asyncio.gather(*(api.put(path, {"items": items}) for items in changes))
        assert [answer.json["items"] for answer in changed] == changes
        assert (await api.get(path)).json["items"] in changes
        assert (await api.ask("DELETE", path)).status == 204
        assert await api.rows("SELECT * FROM order_lines") == []
        await orders_while_items_go(api)

        assert (await api.post("/api/user/3", {"name": "Ann", "settings": {"dark": True}})).status == 201
        await asyncio.gather(*(api.post("/api/user/3", {f"k{number}": [number]}) for number in range(8)))
        user = (await api.get("/api/user/3")).json["user"]
        assert (user["settings"], user["k0"], user["k7"]) == ({"dark": True}, [0], [7])
        async with api.engine.begin() as connection:
            await connection.exec_driver_sql("INSERT INTO users (name, created_ns) VALUES ('next', 0), ('more', 0)")
        assert [row.id for row in await api.rows("SELECT id FROM users ORDER BY id")] == [1, 3, 4, 5]


async def orders_while_items_go(api: Api) -> None:
    """Whichever comes first: the item is in an order and stays, or it is gone and unknown."""
    for round_ in range(5):
        key = (await api.post("/api/v1/items", {"name": "brief"})).json["id"]
        order = {"internal_number": f"race {round_}", "items": [{"item_id": key}]}
        added, deleted = await asyncio.gather(
            api.post("/api/v1/orders", order), api.ask("DELETE", f"/api/v1/items/{key}")
        )
        assert (added.status, deleted.status) in {(201, 409), (400, 204)}


async def test_migrations_on_postgresql(cluster: Cluster, tmp_path: Path) -> None:
    """All the way down and up again, and then the API works."""
    async with opened(tmp_path, cluster.url) as api:
        await downgrade(api.engine, "base")
        assert [row.tablename for row in await api.rows(_TABLES)] == ["alembic_version"]
        await upgrade(api.engine)
        await downgrade(api.engine, "0002")
        await upgrade(api.engine)
        assert (await api.get("/api/users")).json == []
        assert (await api.get("/api/v1/orders")).json == []


_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"


async def test_whose_readings_a_transfer_may_move(cluster: Cluster, tmp_path: Path) -> None:
    """By tenant, on every database alike: devices, what they measure, and the worker that was heard last."""
    async with opened(tmp_path, cluster.url) as api:
        await api.add_user(2)
        await api.add_devices("b", "B", "a_1")
        await api.add_devices("mine", user_id=2, profile="knee")
        await api.fill(device_measurements, {"device_id": "b", "measurement": "m", "user_id": 2, "since_ns": 1})
        row = {"measurement": "m", "ts_ns": 1, "seen_ns": 1}
        await api.fill(
            latest,
            {"device_id": "b", "user_id": 1, "values": {"t": 1.0}, **row},
            {"device_id": "mine", "user_id": 2, "values": {"x": 1.0, "s": "y"}, **row},
        )
        assert await queries.newest_source(api.engine) is None
        await api.fill(ingest_books, *({"source": f"i{n}", "epoch": "e", "updated_ns": n} for n in (1, 3, 2)))
        assert await queries.newest_source(api.engine) == "i3"
        assert await queries.devices_with_readings(api.engine, None, None) == ["B", "a_1", "b", "mine"]
        assert await queries.devices_with_readings(api.engine, [2], None) == ["b", "mine"]
        assert await queries.devices_with_readings(api.engine, [2], ["a_1", "b"]) == ["b"]
        assert await queries.metrics_seen(api.engine, [2], None) == {"x", "s"}
        assert await queries.metrics_seen(api.engine, None, ["b"]) == {"t"}
        assert await queries.profiles_used(api.engine, [2], None) == {"knee"}
        found = await queries.importable(api.engine, [2], ["b", "mine", "nobody"])
        assert found == {"mine": Target("mine", 2, "knee", disabled=False, measurements=frozenset())}
