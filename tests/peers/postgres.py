"""A real PostgreSQL as a server of the tests' own: over a Unix socket, so that there is no port to collide on."""

import asyncio
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import asyncpg  # type: ignore[import-untyped] # ships no types
import pytest

from shared.database.tables import metadata
from tests.peers.programs import postgres
from tests.peers.tables import bring_up_to_date

# of a server whose databases nobody will miss
_FORGETFUL: Final = "-c fsync=off -c synchronous_commit=off -c full_page_writes=off -c autovacuum=off"


@dataclass(frozen=True, slots=True)
class Cluster:
    """A server in a folder of its own. `port`: it listens on loopback, too."""

    folder: Path
    programs: Path
    port: int = 0
    options: str = ""

    @property
    def url(self) -> str:
        return self._url_of("postgres")

    def _url_of(self, database: str) -> str:
        return f"postgresql+asyncpg://postgres@/{database}?host={self.folder}"

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
        where = f"-c listen_addresses=127.0.0.1 -c port={self.port}" if self.port else "-c listen_addresses="
        options = f"{where} -k {self.folder} {self.options}"
        self.run("pg_ctl", "-w", "-l", str(self.folder / "log"), "-o", options, "start")

    def stop(self) -> None:
        """As a crash would; again if it is down already."""
        if (self.folder / "data" / "postmaster.pid").exists():
            self.run("pg_ctl", "-w", "-m", "immediate", "stop")

    def remove(self) -> None:
        """With all that it holds."""
        self.stop()
        shutil.rmtree(self.folder)

    async def empty(self) -> None:
        """As nobody had ever touched it, but for the tables: 6 ms, where a copy of a template takes 60 ms and 8 MB."""
        tables = ", ".join(table.name for table in metadata.sorted_tables)
        await self._say("SET lock_timeout = '10s'", f"TRUNCATE {tables} RESTART IDENTITY CASCADE")

    async def fresh(self) -> str:
        """The URL of a database with nothing in it, for a test that breaks its tables."""
        name = f"test_{secrets.token_hex(4)}"
        await self._say(f"CREATE DATABASE {name}")
        return self._url_of(name)

    async def _say(self, *statements: str) -> None:
        connection = await asyncpg.connect(host=str(self.folder), user="postgres", database="postgres")
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()


def made(port: int = 0, options: str = "") -> Cluster:
    """Not started yet."""
    server = postgres()
    assert server is not None
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    if os.getuid() == 0:
        shutil.chown(folder, "postgres")
    cluster = Cluster(folder, server.parent, port, options)
    cluster.run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
    return cluster


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    """A server of one test, which may crash it."""
    server = made()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def shared_cluster() -> Iterator[Cluster]:
    """A server for all tests of a run, with the newest tables: nobody may stop it, and who comes next empties it."""
    server = made(options=_FORGETFUL)
    try:
        server.start()
        with ThreadPoolExecutor(1) as elsewhere:  # a loop may run here
            elsewhere.submit(asyncio.run, bring_up_to_date(server.url)).result()
        yield server
    finally:
        server.remove()
