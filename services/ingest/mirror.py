"""Shows the relational database what it may show to people: new devices, latest values, letters, books.

Pushed about once a second, all of one push in one transaction, and idempotent: whatever is cut off is pushed again.
While that database is away nothing is lost and ingest goes on; the outbox file keeps what has yet to be told.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

import structlog
from alembic.util import CommandError
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.ingest import backlog, deadletters, shown
from services.ingest.delivery import Message
from services.ingest.errors import OutboxFull
from services.ingest.group import Letter
from services.ingest.latest import Latest
from services.ingest.outbox import Outbox
from services.ingest.registry import Registry
from services.ingest.stages import in_steps
from services.ingest.telling import Part, Refused, tell
from shared.books import COLUMNS
from shared.database import latest as latest_queries
from shared.database import ledger
from shared.database import registry as registry_queries
from shared.database.engine import unhurried
from shared.database.migrations.upgrade import upgrade
from shared.health import Health

log = structlog.get_logger()

_EVERY_S: Final = 0.9  # what a device says is to be seen within a second; more often costs more than it shows
_LEAST_S: Final = 0.05  # whoever changes it a hundred times a second costs no more than this
_READ_REGISTRY_EVERY_S: Final = 30.0
_RETRY_S: Final = 5.0
_MAX_DEVICES: Final = 5_000
_MAX_LETTERS: Final = 200
_MAX_GONE: Final = 2_000


class Mirror:
    """One task. `wake()` after each commit; the first push goes at once, the next ones most of a second apart."""

    def __init__(self, outbox: Outbox, registry: Registry, engine: AsyncEngine, health: Health) -> None:
        self._outbox = outbox
        self._board = outbox.board
        self._registry = registry
        self._engine = engine
        self._health = health
        self._woken = asyncio.Event()
        self._asked = asyncio.Event()
        self._measurements: set[tuple[str, str, int]] = set()
        self._predecessors: list[str] = []
        self._read_registry_s = float("-inf")
        self._met = False
        self._refused = 0
        self._set_aside: set[str] = set()
        self._again = False

    async def load(self) -> None:
        """Take what an earlier run left behind; then the registry as it is, if one can ask."""
        with suppress(OutboxFull):  # then at the next start: only a process that runs can make room
            await self._outbox.change(backlog.try_again)
        known = await self._outbox.read(backlog.registry)
        self._registry.learn(known.devices, known.profiles)
        self._registry.announce(known.pending)
        self._predecessors = await self._outbox.read(backlog.predecessors)
        self._woken.set()
        if not await self._try(self._read_registry):
            self.refresh()

    def wake(self) -> None:
        self._woken.set()

    def refresh(self) -> None:
        """Somebody changed the registry: read it again, now."""
        self._read_registry_s = float("-inf")
        self._asked.set()
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
            self._asked.clear()
            due = time.monotonic() - self._read_registry_s >= _READ_REGISTRY_EVERY_S
            read = not due or await self._try(self._read_registry)
            if not read:
                self._read_registry_s = float("-inf")
                self._woken.set()
            pushed = await self._try(self.push)
            await self._rest(_EVERY_S if pushed and read else _RETRY_S)

    async def _rest(self, seconds: float) -> None:
        """A beat, unless somebody changed the registry: until that is read a device may pass for another one's."""
        await asyncio.sleep(_LEAST_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds - _LEAST_S):
                await self._asked.wait()

    async def push_last(self) -> None:
        """Once more before the process ends, so that people see how it ended; the next start would do it too."""
        await self._try(self.push)

    async def _try(self, work: Any) -> bool:
        """Run a piece of work that the relational database may refuse; it is told once, and tried again later."""
        try:
            await in_steps("mirror", work())
        except OutboxFull as full:  # our own disk: what could not be written down as heard is pushed again
            log.warning("outbox_full", reason=str(full))
            self._woken.set()
            return False
        except (SQLAlchemyError, OSError, CommandError) as error:
            self._health.report("database", "down", f"{type(error).__name__}: {error}"[:300], needed=False)
            self._woken.set()
            return False
        refused = self._refused + len(self._set_aside)
        if refused:
            told = f"{refused} rows were refused for what they say: see the log"
            self._health.report("database", "degraded", told, needed=False)
        else:
            self._health.report("database", "ok", needed=False)
        return True

    async def heard(self, _notice: Message) -> None:
        """A notice that the registry has changed. It says no more: whatever it is, the database has it."""
        self.refresh()

    async def _read_registry(self) -> None:
        # before the question: what changes while it is answered is asked for again
        self._read_registry_s = time.monotonic()
        if not self._met:
            async with unhurried(self._engine) as patient:
                await upgrade(patient)  # here, and not only at the start: it may have been away then
            async with self._engine.begin() as connection:
                await registry_queries.ensure_local_admin(connection, time.time_ns())  # whose newcomers are
            await shown.compare(self._outbox, self._engine)
            self._met = True
        async with self._engine.connect() as connection:
            rows = await registry_queries.known_devices(connection)
            profiles = await registry_queries.known_profiles(connection)  # after them: a device's profile came first
        self._registry.replace(rows, profiles)
        self._again = True
        await self._outbox.change(partial(backlog.replace_registry, rows=rows, profiles=profiles))

    async def push(self) -> None:
        """One transaction there, then one here to forget; a crash in between pushes the same again."""
        changed = self._board.waiting(_MAX_DEVICES)
        newcomers = self._newcomers()
        letters = await self._outbox.read(partial(backlog.letters, limit=_MAX_LETTERS))
        gone = await self._outbox.read(partial(deadletters.to_forget, limit=_MAX_GONE))
        measurements = self._new_measurements(changed)
        async with self._engine.begin() as connection:
            refused = await connection.run_sync(self._write, changed, newcomers, letters, measurements)
            # after the letters, and asked for after them: one that was to be shown and went meanwhile isn't shown
            await connection.run_sync(ledger.remove_letters, self._outbox.source, self._outbox.epoch, gone)
        if self._predecessors:
            await self._outbox.change(backlog.succeeded)
            self._predecessors = []
        told = self._sort_out(newcomers, refused)
        kept = [row["letter"] for part, row, _ in refused if part == "dead_letters"]
        self._measurements |= measurements
        self._registry.announced(told)
        forgotten = self._board.pushed(changed)
        moved = [(row_id, letter.entries) for row_id, letter in letters]
        if forgotten or moved or told:
            await self._outbox.change(
                partial(backlog.forget, pushed=forgotten, moved=moved, devices=told, refused=kept)
            )
        if gone:
            await self._outbox.change(partial(deadletters.forgotten, row_ids=gone))
        more = len(self._board) or len(moved) == _MAX_LETTERS or len(gone) == _MAX_GONE
        if more or not self._set_aside.issuperset(self._registry.pending):
            self._woken.set()

    def _newcomers(self) -> list[str]:
        """Who was refused is tried again after each reading of the registry: the owner may be there by then."""
        again, self._again = self._again, False
        return [each for each in self._registry.pending if again or each not in self._set_aside][:_MAX_DEVICES]

    def _sort_out(self, newcomers: Sequence[str], refused: Sequence[Refused]) -> list[str]:
        """Say what was refused: letters are tried again at the next start, values come anew. Returns who was told."""
        for part, row, reason in {each.part: each for each in refused}.values():
            count = sum(each.part == part for each in refused)
            last = {name: row.get(name) for name in ("device_id", "letter") if name in row}
            log.error("rows_refused", table=part, count=count, reason=reason, **last)
        strangers = {str(each.row["device_id"]) for each in refused if each.part == "devices"}
        self._refused += len(refused) - len(strangers)
        self._set_aside = self._set_aside.difference(newcomers) | strangers
        return [device_id for device_id in newcomers if device_id not in strangers]

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
    ) -> list[Refused]:
        now_ns = time.time_ns()
        lie = [
            {"device_id": device_id, "measurement": measurement, "user_id": user_id, "since_ns": now_ns}
            for device_id, measurement, user_id in measurements
        ]
        latest = [each for device_id, row in changed.items() if row.measurement for each in row.values_rows(device_id)]
        status = [row.status_row(device_id) for device_id, row in changed.items() if row.status]
        whose = {"source": self._outbox.source, "epoch": self._outbox.epoch}
        books = {name: self._outbox.books[name] for name in COLUMNS}
        told = {**whose, **books, "stages": self._outbox.latency.told(), "updated_ns": now_ns}
        return tell(
            connection,
            [
                Part("devices", registry_queries.add_devices, [self._device_row(each, now_ns) for each in newcomers]),
                Part("device_measurements", registry_queries.add_measurements, lie),
                Part("latest", latest_queries.push_latest, latest),
                Part("device_status", latest_queries.push_status, status),
                Part("predecessors", ledger.succeed, [{**whose, "before": epoch} for epoch in self._predecessors]),
                Part("dead_letters", ledger.push_letters, [shown.row_of(self._outbox, *each) for each in letters]),
                Part("ingest_books", ledger.push_books, [told]),
            ],
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
