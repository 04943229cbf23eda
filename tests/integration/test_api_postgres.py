"""The API on a real PostgreSQL: what SQLite forgives, and a server that goes away and comes back."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared.database.tables import dead_letters, device_status, latest
from shared.readings import Reading
from tests.fakes.batches import write
from tests.integration.api_rig import NOON_NS, opened
from tests.peers.programs import postgres

pytestmark = pytest.mark.peer("postgres")


@dataclass(frozen=True, slots=True)
class Cluster:
    """A server of our own in a folder of its own, reached over a Unix socket: no port to collide on."""

    folder: Path
    programs: Path

    @property
    def url(self) -> str:
        return f"postgresql+asyncpg://postgres@/postgres?host={self.folder}"

    def run(self, name: str, *arguments: str) -> None:
        # PostgreSQL refuses to run as root
        user = "postgres" if os.getuid() == 0 else None
        quiet = subprocess.DEVNULL
        subprocess.run(
            [self.programs / name, "-D", self.folder / "data", *arguments],
            check=True,
            cwd=self.folder,
            user=user,
            stdout=quiet,
        )

    def start(self) -> None:
        self.run(
            "pg_ctl", "-w", "-l", str(self.folder / "log"), "-o", f"-c listen_addresses= -k {self.folder}", "start"
        )

    def stop(self) -> None:
        """As a crash would; again if it is down already."""
        if (self.folder / "data" / "postmaster.pid").exists():
            self.run("pg_ctl", "-w", "-m", "immediate", "stop")


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    server = postgres()
    assert server is not None
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    if os.getuid() == 0:
        shutil.chown(folder, "postgres")
    made = Cluster(folder, server.parent)
    made.run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
    made.start()
    try:
        yield made
    finally:
        made.stop()
        shutil.rmtree(folder)


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
