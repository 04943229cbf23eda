"""Shows the relational database what it may show to people: new devices, latest values, letters, books.

Pushed at most twice a second, all of one push in one transaction, and idempotent: whatever is cut off is pushed again.
While that database is away nothing is lost and ingest goes on; the outbox file keeps what has yet to be told.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Final

import orjson
import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ingest import backlog, deadletters
from services.ingest.errors import OutboxFull
from services.ingest.group import Letter
from services.ingest.latest import Latest
from services.ingest.outbox import Outbox
from services.ingest.registry import Registry
from shared.books import COLUMNS
from shared.database import latest as latest_queries
from shared.database import ledger
from shared.database import registry as registry_queries
from shared.health import Health

log = structlog.get_logger()

_EVERY_S: Final = 0.5  # what a device says is to be seen within a second
_READ_REGISTRY_EVERY_S: Final = 30.0
_RETRY_S: Final = 5.0
_MAX_DEVICES: Final = 5_000
_MAX_LETTERS: Final = 200
_MAX_GONE: Final = 2_000


class Mirror:
    """One task. `wake()` after each commit; the first push goes at once, the next ones half a second apart."""

    def __init__(self, outbox: Outbox, registry: Registry, engine: AsyncEngine, health: Health) -> None:
        self._outbox = outbox
        self._board = outbox.board
        self._registry = registry
        self._engine = engine
        self._health = health
        self._woken = asyncio.Event()
        self._measurements: set[tuple[str, str, int]] = set()
        self._read_registry_s = float("-inf")

    async def load(self) -> None:
        """Take what an earlier run left behind; then the registry as it is, if one can ask."""
        known = await self._outbox.read(backlog.registry)
        self._registry.learn(known.devices)
        self._registry.announce(known.pending)
        await self._try(self._read_registry)
        self._woken.set()

    def wake(self) -> None:
        self._woken.set()

    def refresh(self) -> None:
        """Somebody changed the registry: read it again with the next push."""
        self._read_registry_s = float("-inf")
        self._woken.set()

    async def run(self) -> None:
        """Push what changed, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(_READ_REGISTRY_EVERY_S):
                    await self._woken.wait()
            except TimeoutError:
                pass  # nothing came in; the registry is due all the same
            self._woken.clear()
            if time.monotonic() - self._read_registry_s >= _READ_REGISTRY_EVERY_S:
                await self._try(self._read_registry)
            pushed = await self._try(self.push)
            await asyncio.sleep(_EVERY_S if pushed else _RETRY_S)

    async def push_last(self) -> None:
        """Once more before the process ends, so that people see how it ended; the next start would do it too."""
        await self._try(self.push)

    async def _try(self, work: Any) -> bool:
        """Run a piece of work that the relational database may refuse; it is told once, and tried again later."""
        try:
            await work()
        except OutboxFull as full:  # our own disk: what could not be written down as heard is pushed again
            log.warning("outbox_full", reason=str(full))
            self._woken.set()
            return False
        except (SQLAlchemyError, OSError) as error:
            self._health.report("database", "down", f"{type(error).__name__}: {error}"[:300], needed=False)
            self._woken.set()
            return False
        self._health.report("database", "ok", needed=False)
        return True

    async def _read_registry(self) -> None:
        async with self._engine.connect() as connection:
            rows = await registry_queries.known_devices(connection)
        self._registry.replace(rows)
        await self._outbox.change(partial(backlog.replace_registry, rows=rows))
        self._read_registry_s = time.monotonic()

    async def push(self) -> None:
        """One transaction there, then one here to forget; a crash in between pushes the same again."""
        changed = self._board.waiting(_MAX_DEVICES)
        newcomers = self._registry.pending[:_MAX_DEVICES]
        letters = await self._outbox.read(partial(backlog.letters, limit=_MAX_LETTERS))
        gone = await self._outbox.read(partial(deadletters.to_forget, limit=_MAX_GONE))
        measurements = self._new_measurements(changed)
        async with self._engine.begin() as connection:
            await connection.run_sync(self._write, changed, newcomers, letters, measurements)
            # after the letters, and asked for after them: one that was to be shown and went meanwhile isn't shown
            await connection.run_sync(ledger.remove_letters, self._outbox.source, self._outbox.epoch, gone)
        self._measurements |= measurements
        self._registry.announced(newcomers)
        forgotten = self._board.pushed(changed)
        moved = [row_id for row_id, _ in letters]
        if forgotten or moved or newcomers:
            await self._outbox.change(partial(backlog.forget, pushed=forgotten, moved=moved, devices=newcomers))
        if gone:
            await self._outbox.change(partial(deadletters.forgotten, row_ids=gone))
        if len(gone) == _MAX_GONE or len(self._board) or len(moved) == _MAX_LETTERS or self._registry.pending:
            self._woken.set()

    def _new_measurements(self, changed: Mapping[str, Latest]) -> set[tuple[str, str, int]]:
        lie = {(device_id, row.measurement, row.user_id) for device_id, row in changed.items() if row.measurement}
        return lie - self._measurements

    def _write(
        self,
        connection: Connection,
        changed: Mapping[str, Latest],
        newcomers: Sequence[str],
        letters: Sequence[tuple[int, Letter]],
        measurements: set[tuple[str, str, int]],
    ) -> None:
        now_ns = time.time_ns()
        registry_queries.add_devices(connection, [self._device_row(device_id, now_ns) for device_id in newcomers])
        registry_queries.add_measurements(
            connection,
            [
                {"device_id": device_id, "measurement": measurement, "user_id": user_id, "since_ns": now_ns}
                for device_id, measurement, user_id in measurements
            ],
        )
        latest_queries.push_latest(
            connection, [_latest_row(device_id, row) for device_id, row in changed.items() if row.measurement]
        )
        latest_queries.push_status(
            connection, [_status_row(device_id, row) for device_id, row in changed.items() if row.status]
        )
        ledger.push_letters(connection, [self._letter_row(row_id, letter) for row_id, letter in letters])
        books = {name: self._outbox.books[name] for name in COLUMNS}
        ledger.push_books(
            connection, {"source": self._outbox.source, "epoch": self._outbox.epoch, **books, "updated_ns": now_ns}
        )

    def _device_row(self, device_id: str, now_ns: int) -> dict[str, Any]:
        _, user_id, profile, _ = self._registry.row(device_id)
        return {
            "device_id": device_id,
            "name": device_id,
            "user_id": user_id,
            "profile": profile,
            "claimed": False,
            "disabled": False,
            "created_ns": now_ns,
        }

    def _letter_row(self, row_id: int, letter: Letter) -> dict[str, Any]:
        row = letter._asdict()
        row["payload_bytes"] = row.pop("size")
        row["paths"] = orjson.loads(letter.paths)
        return {"source": self._outbox.source, "epoch": self._outbox.epoch, "letter": row_id, **row}


def _latest_row(device_id: str, row: Latest) -> dict[str, Any]:
    return {
        "device_id": device_id,
        "user_id": row.user_id,
        "measurement": row.measurement,
        "ts_ns": row.ts_ns,
        "seen_ns": row.seen_ns,
        "values": row.values,
    }


def _status_row(device_id: str, row: Latest) -> dict[str, Any]:
    return {"device_id": device_id, "user_id": row.user_id, "status": row.status, "ts_ns": row.status_ns}
