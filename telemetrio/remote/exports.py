"""`telemetrio export`: readings into a file, which gets its name when it is whole.

NDJSON that broke off goes on behind its last whole line: readings come in the order of device, time and measurement.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from hashlib import blake2s
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple

import orjson
from rich.progress import Progress, TaskID

from shared.process import ExitCode, Refusal
from telemetrio.remote.site import BrokenOff, Site

PATH: Final = "/api/v1/readings/export"
_FORMATS: Final = {".ndjson": "ndjson", ".jsonl": "ndjson", ".csv": "csv", ".parquet": "parquet"}
_TAIL: Final = 1 << 20  # more than the longest line

Place = tuple[str, str, str]


class Wanted(NamedTuple):
    """As the API understands it."""

    query: Mapping[str, Any]
    format: str


def format_of(file: Path, given: str | None) -> str:
    """By its name, unless somebody says so."""
    found = given or _FORMATS.get(file.suffix)
    if found is None:
        raise Refusal(f"{file}: call it .csv, .ndjson or .parquet, or say --format", ExitCode.WRONG_SETTINGS)
    return found


async def export(site: Site, file: Path, wanted: Wanted, progress: Progress) -> int:
    """How many bytes there are in `file` then; raises Refusal."""
    unfinished = unfinished_of(file, site.url, wanted)
    task = progress.add_task("bytes", total=None)

    async def attempt() -> None:
        with unfinished.open("ab+") as out:
            place = _cut(out) if wanted.format == "ndjson" else _emptied(out)
            await _fill(site, out, wanted, place, _Told(progress, task))

    await site.patiently(attempt)
    unfinished.rename(file)
    return size_of(file)


def size_of(file: Path) -> int:
    return file.stat().st_size


def unfinished_of(file: Path, url: str, wanted: Wanted) -> Path:
    """Where it is written: beside `file`, and in another place for another question, which must not go on with it."""
    if file.exists():
        raise Refusal(f"{file} exists: give another name, or move it away", ExitCode.WRONG_SETTINGS)
    question = orjson.dumps([url, dict(wanted.query), wanted.format], option=orjson.OPT_SORT_KEYS)
    return file.with_name(f"{file.name}.{blake2s(question, digest_size=4).hexdigest()}.partial")


class _Told(NamedTuple):
    progress: Progress
    task: TaskID

    def at(self, size: int) -> None:
        self.progress.update(self.task, completed=size)


async def _fill(site: Site, out: BinaryIO, wanted: Wanted, place: Place | None, told: _Told) -> None:
    query = {**wanted.query, "format": wanted.format}
    async with aclosing(site.blocks("GET", PATH, query)) as blocks:
        async for block in blocks if place is None else _behind(blocks, place):
            out.write(block)
            told.at(out.tell())
    if wanted.format != "parquet":
        _check_end(out)


def _check_end(out: BinaryIO) -> None:
    """What broke off says so in its last line, also where a proxy hides how it ended; raises BrokenOff."""
    end = out.seek(0, 2)
    out.seek(max(0, end - _TAIL))
    tail = out.read()
    last = tail[tail.rstrip().rfind(b"\n") + 1 :]
    if tail and (not last.endswith(b"\n") or last.startswith(b"# incomplete") or b'"export_incomplete"' in last):
        raise BrokenOff("the export broke off")


async def _behind(blocks: AsyncIterator[bytes], place: Place) -> AsyncIterator[bytes]:
    """From the first line at this place or behind it."""
    waiting, there = b"", False
    async for block in blocks:
        if there:
            yield block
            continue
        *lines, waiting = (waiting + block).split(b"\n")
        passed = next((number for number, line in enumerate(lines) if _place(line) >= place), None)
        if passed is not None:
            there = True
            yield b"\n".join([*lines[passed:], waiting])


def _place(line: bytes) -> Place:
    """Of a reading; raises BrokenOff for the line that says that the export broke off."""
    content = orjson.loads(line)
    if "device_id" not in content:
        raise BrokenOff(str(content.get("error", "what came is no export")))
    return content["device_id"], content["timestamp"], content["measurement"]


def _emptied(out: BinaryIO) -> Place | None:
    """It begins anew."""
    out.truncate(0)
    return None


def _cut(out: BinaryIO) -> Place | None:
    """Behind the last whole line, but before all of its own place: of two owners' readings one may be missing."""
    end = out.seek(0, 2)
    begin = out.seek(max(0, end - _TAIL))
    tail = out.read()
    whole = tail.rfind(b"\n") + 1
    lines = tail[:whole].splitlines(keepends=True)[1 if begin else 0 :]
    while lines and b'"device_id"' not in lines[-1]:  # it says there that it broke off
        whole -= len(lines.pop())
    last = _place(lines[-1]) if lines else None
    while lines and _place(lines[-1]) == last:
        whole -= len(lines.pop())
    out.seek(begin + whole)
    out.truncate()
    return last
