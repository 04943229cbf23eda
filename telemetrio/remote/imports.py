"""`telemetrio import`: a file of readings in pieces, each acknowledged before the next is sent, and an account of it.

How far it came stands beside the file: whoever is killed goes on with the piece that was under way.
"""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from rich.progress import Progress

from services.api.transfer.imports import BLOCK
from services.api.transfer.records import TOO_LONG, Records
from shared.process import ExitCode, Refusal
from telemetrio.remote.exports import size_of
from telemetrio.remote.site import Sent, Site
from telemetrio.resumption import keep, resume

PATH: Final = "/api/v1/readings/import"
PIECE_ROWS: Final = 20_000
PIECE_BYTES: Final = 4 << 20
_KINDS: Final = {".ndjson": "application/x-ndjson", ".jsonl": "application/x-ndjson", ".csv": "text/csv"}
_MOST_PROBLEMS: Final = 20


class Piece(NamedTuple):
    """`last`: its last row, of the whole file. `numbers`: of the rows in `data`; `too_long`: of rows that are in none.

    `end`: where in the file the next one begins, or nearly.
    """

    last: int
    numbers: list[int]
    data: bytes
    too_long: list[int]
    end: int


@dataclass
class Account:
    """What became of the rows so far; `file` tells whether it is the same file still."""

    path: Path = field(repr=False)
    file: str
    rows: int = 0
    accepted: int = 0
    refused: int = 0
    partly: int = 0
    codes: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, file: Path, url: str) -> Self:
        """Where the last run left it."""
        path = file.with_name(f"{file.name}.importing")
        if not os.access(file, os.R_OK):
            raise Refusal(f"{file} can't be read, or is not there", ExitCode.WRONG_SETTINGS)
        about = file.stat()
        now = f"{url} {about.st_size} {about.st_mtime_ns}"
        known = resume(path, cls)
        return known if known is not None and known.file == now else cls(path, now)

    def take(self, piece: Piece, report: dict[str, Any]) -> None:
        """The answer to a piece: its rows are numbered as those of the file."""
        self.rows = piece.last
        self.accepted += report["accepted"]
        self.refused += report["refused"] + len(piece.too_long)
        self.partly += report["partly"]
        self.codes = dict(Counter(self.codes) + Counter(report["codes"]) + Counter(too_large=len(piece.too_long)))
        told = [
            f"row {piece.numbers[each['row'] - 1]}: {each['code']}: {each['message']}" for each in report["problems"]
        ]
        told += [f"row {row}: too_large: it is too long, or a quote in it is never closed" for row in piece.too_long]
        self.problems = [*self.problems, *told][:_MOST_PROBLEMS]

    def save(self) -> None:
        keep(self.path, self)

    def forget(self) -> None:
        self.path.unlink(missing_ok=True)


def kind_of(file: Path) -> str:
    """Its content type, by its name."""
    kind = _KINDS.get(file.suffix)
    if kind is None:
        raise Refusal(f"{file}: call it .csv or .ndjson, as what it is", ExitCode.WRONG_SETTINGS)
    return kind


def pieces(file: Path, kind: str, skip: int = 0) -> Iterator[Piece]:
    """Without the first `skip` rows; each piece of a CSV begins with the file's header."""
    quoted = kind == "text/csv"
    header: bytes | None = None
    number, end = 0, 0
    fresh = _Rows([], [], [])
    for end, record in _records(file, quoted=quoted):
        if quoted and header is None:
            header = record or b""
            continue
        number += 1
        if number <= skip:
            continue
        fresh.add(number, record)
        if fresh.full:
            yield fresh.piece(number, header, end)
            fresh = _Rows([], [], [])
    if fresh.numbers or fresh.too_long:
        yield fresh.piece(number, header, end)


@dataclass
class _Rows:
    """On their way into a piece."""

    numbers: list[int]
    records: list[bytes]
    too_long: list[int]
    size: int = 0

    def add(self, number: int, record: bytes | None) -> None:
        if record is TOO_LONG:
            self.too_long.append(number)
        else:
            self.numbers.append(number)
            self.records.append(record)
            self.size += len(record) + 1

    @property
    def full(self) -> bool:
        return len(self.numbers) + len(self.too_long) >= PIECE_ROWS or self.size >= PIECE_BYTES

    def piece(self, last: int, header: bytes | None, end: int) -> Piece:
        data = b"\n".join([*([] if header is None else [header]), *self.records, b""])
        return Piece(last, self.numbers, data, self.too_long, end)


def _records(file: Path, *, quoted: bool) -> Iterator[tuple[int, bytes | None]]:
    records = Records(quoted=quoted)
    with file.open("rb") as source:
        while block := source.read(BLOCK):
            for record in records.feed(block):
                yield source.tell(), record
        for record in records.end():
            yield source.tell(), record


async def send(site: Site, file: Path, progress: Progress) -> Account:
    """Raises Refusal; called again it goes on."""
    kind = kind_of(file)
    account = Account.of(file, site.url)
    task = progress.add_task("bytes", total=size_of(file))
    for piece in pieces(file, kind, account.rows):
        account.take(piece, await _sent(site, piece, kind))
        account.save()
        progress.update(task, completed=piece.end)
    account.forget()
    return account


async def _sent(site: Site, piece: Piece, kind: str) -> dict[str, Any]:
    """The report of one piece. One that broke off is sent whole again: what is stored twice is stored once."""
    if not piece.numbers:
        return {"accepted": 0, "refused": 0, "partly": 0, "codes": {}, "problems": []}
    sent = Sent(kind, piece.data)
    report: dict[str, Any] = await site.patiently(lambda: site.ask("POST", PATH, {}, sent))
    return report
