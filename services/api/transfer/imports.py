"""An import: blocks of a file in, judged rows on to ingest in chunks, and an account of it.

A chunk is one command, and one transaction of the worker: once it is acknowledged its rows are on disk. What is read
and not yet there is one block and one chunk, whatever the size of the file.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterable, Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Protocol

import orjson

from services.api.errors import Away, BadRequest, Detail
from services.api.transfer.judging import Judge, Judgement, Problem, Target
from services.api.transfer.records import TOO_LONG, Records
from services.api.transfer.rows import BadHeader, Reader, Row, Unreadable
from shared.commands import MAX_IMPORT_BYTES, MAX_IMPORTED, Import
from shared.identifiers import is_device_id
from shared.readings import Reading

BLOCK: Final = 256 * 1024
MAX_PROBLEMS: Final = 1_000
_MAX_KNOWN: Final = 20_000
_ASKED_AT_ONCE: Final = 5_000  # databases take so many parameters
_ENVELOPE: Final = 256


# which of these devices the caller may import to
Finder = Callable[[Sequence[str]], Awaitable[Mapping[str, Target]]]


class Receiver(Protocol):
    """Where readings go."""

    async def __call__(self, command: Import) -> None:
        """Return when all of it is on disk; raises Away."""


class Account:
    """What became of the rows so far."""

    def __init__(self) -> None:
        self.rows = 0
        self.accepted = 0
        self.taken = 0
        self.outcomes: Counter[str] = Counter()
        self.codes: Counter[str] = Counter()
        self.problems: list[Problem] = []

    def note(self, problem: Problem) -> None:
        self.outcomes[problem.outcome] += 1
        self.codes[problem.code] += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(problem)

    @property
    def told(self) -> dict[str, Any]:
        """As the client reads it."""
        found = sum(self.outcomes.values())
        return {
            "rows": self.rows,
            "accepted": self.accepted,
            "refused": self.outcomes["refused"],
            "partly": self.outcomes["partly"],
            "taken": self.taken,
            "codes": dict(sorted(self.codes.items())),
            "problems": [problem._asdict() for problem in self.problems],
            "problems_left_out": found - len(self.problems),
        }


class Numbered(NamedTuple):
    """A record that was read: a row, or what is wrong with it."""

    number: int
    row: Row | None
    problem: Problem | None = None


class Chunk:
    """Readings on their way, up to what one command may hold."""

    def __init__(self) -> None:
        self.readings: list[Reading] = []
        self.size = _ENVELOPE

    def takes(self, size: int) -> bool:
        return len(self.readings) < MAX_IMPORTED and self.size + size <= MAX_IMPORT_BYTES

    def add(self, reading: Reading, size: int) -> None:
        self.readings.append(reading)
        self.size += size


class Importer:
    """Of one file. `from_row`: rows before it are read and left out, they were taken the last time."""

    def __init__(self, records: Records, reader: Reader, judge: Judge, receiver: Receiver, from_row: int = 1) -> None:
        self._records = records
        self._reader = reader
        self._judge = judge
        self._receiver = receiver
        self._from_row = from_row
        self._chunk = Chunk()
        self.account = Account()

    async def run(self, body: AsyncIterable[bytes], find: Finder) -> None:
        """To the end of the body; raises BadRequest for a file that is none, and Away with how far it came."""
        try:
            await self._run(body, find)
        except Away as error:
            resume = max(self.account.taken + 1, self._from_row)
            message = f"{error.message}. Rows before {resume} are taken: send the file again with ?from_row={resume}"
            raise Away(message, error.code, details=[Detail("from_row", "resume", str(resume))]) from error

    async def _run(self, body: AsyncIterable[bytes], find: Finder) -> None:
        waiting = bytearray()
        async for data in body:
            waiting += data
            if len(waiting) >= BLOCK:
                await self._take(bytes(waiting), find, last=False)
                waiting.clear()
        await self._take(bytes(waiting), find, last=True)
        await self._send()
        self.account.taken = self.account.rows

    async def _take(self, block: bytes, find: Finder, *, last: bool) -> None:
        """Read and judged beside the loop; only what asks and sends is on it."""
        try:
            numbered = await asyncio.to_thread(self._read, block, last=last)
        except BadHeader as error:
            raise BadRequest(str(error), "bad_header") from error
        await self._learn({each.row.device_id for each in numbered if each.row is not None}, find)
        for number, judgement, size in await asyncio.to_thread(self._judged, numbered):
            await self._put(number, judgement, size)

    async def _learn(self, device_ids: set[str], find: Finder) -> None:
        """Whose they are. What no device can be called isn't asked for: it may be anything."""
        known = self._judge.devices
        if len(known) > _MAX_KNOWN:
            known.clear()
        asked = sorted(filter(is_device_id, device_ids - known.keys()))
        for begin in range(0, len(asked), _ASKED_AT_ONCE):
            known.update(await find(asked[begin : begin + _ASKED_AT_ONCE]))
        known.update(dict.fromkeys(device_ids - known.keys()))

    def _read(self, block: bytes, *, last: bool) -> list[Numbered]:
        found: list[Numbered] = []
        records = self._records.feed(block) + (self._records.end() if last else [])
        for record in records:
            number = self.account.rows + 1
            try:
                row = self._row(record)
                if row is None:
                    continue
                found.append(Numbered(number, row))
            except Unreadable as error:
                found.append(Numbered(number, None, Problem(number, "refused", error.code, error.message)))
            self.account.rows = number
        return [each for each in found if each.number >= self._from_row]

    def _row(self, record: bytes | None) -> Row | None:
        if record is TOO_LONG:
            raise Unreadable("too_large", "the row is too long, or a quote in it is never closed")
        return self._reader.read(record)

    def _judged(self, numbered: Sequence[Numbered]) -> list[tuple[int, Judgement, int]]:
        judged = []
        for number, row, problem in numbered:
            judgement = Judgement(None, problem) if row is None else self._judge.judge(number, row)
            reading = judgement.reading
            size = 0 if reading is None else len(orjson.dumps(tuple(reading))) + 1
            judged.append((number, judgement, size))
        return judged

    async def _put(self, number: int, judgement: Judgement, size: int) -> None:
        if judgement.reading is not None:
            if not self._chunk.takes(size):
                await self._send()
                self.account.taken = number - 1
            self._chunk.add(judgement.reading, size)
        if judgement.problem is not None:
            self.account.note(judgement.problem)

    async def _send(self) -> None:
        readings = self._chunk.readings
        if not readings:
            return
        command = await asyncio.to_thread(_command, readings)
        await self._receiver(command)
        self.account.accepted += len(readings)
        self._chunk = Chunk()


def _command(readings: Sequence[Reading]) -> Import:
    return Import(command_id=secrets.token_hex(16), readings=tuple(readings))
