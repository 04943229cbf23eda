"""The API on a real PostgreSQL: what SQLite forgives, and a server that goes away and comes back."""

import time
from pathlib import Path

import pytest

from shared.database.tables import dead_letters, device_status, latest
from tests.integration.api_rig import NOON_NS, opened
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
