"""`telemetrio deadletters`: what could not be stored; to be looked at, driven again or discarded."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from telemetrio.remote.site import Site

PATH: Final = "/api/v1/dead-letters"
_PAGE: Final = 1_000
_AT_ONCE: Final = 10_000

Filter = Mapping[str, Sequence[str] | str | None]


async def listed(site: Site, wanted: Filter, limit: int) -> tuple[list[dict[str, Any]], int]:
    """The newest so many that match, and how many there are; raises Refusal."""
    query = {name: each if isinstance(each, str) else ",".join(each) for name, each in wanted.items() if each}
    found: list[dict[str, Any]] = []
    page, per_page = 1, min(limit, _PAGE)
    while True:
        answer = await site.get(PATH, page=page, per_page=per_page, **query)
        found += answer["data"]
        if len(found) >= min(limit, answer["total"]) or not answer["data"]:
            return found[:limit], answer["total"]
        page += 1


async def one(site: Site, letter_id: int) -> dict[str, Any]:
    letter: dict[str, Any] = await site.get(f"{PATH}/{letter_id}")
    return letter


async def raw(site: Site, letter_id: int) -> bytes:
    """The bytes that the device sent: the first 64 KiB."""

    async def ask() -> bytes:
        return b"".join([block async for block in site.blocks("GET", f"{PATH}/{letter_id}/raw", {})])

    return await site.patiently(ask)


async def command(site: Site, action: str, ids: Sequence[int], wanted: Filter, progress: Progress) -> int:
    """How many were handed to ingest: those with these ids, or all that match by now."""
    ids = ids or await _matching(site, wanted)
    done = 0
    task = progress.add_task("letters", total=len(ids))
    for begin in range(0, len(ids), _AT_ONCE):
        some = list(ids[begin : begin + _AT_ONCE])
        done += int((await site.post(f"{PATH}/{action}", {"ids": some}))["commanded"])
        progress.advance(task, len(some))
    return done


async def _matching(site: Site, wanted: Filter) -> list[int]:
    """The oldest first. By their ids, because a filter would find again what is refused again, for ever."""
    found, _ = await listed(site, wanted, sys.maxsize)
    return sorted({each["id"] for each in found})


def show(letters: Sequence[Mapping[str, Any]], total: int, console: Console) -> None:
    """A table, the newest first."""
    table = Table("id", "received", "device", "kind", "code", "entries", "detail")
    for each in letters:
        received, device = each["received_at"][:19] + "Z", each["device_id"] or ""
        cells = [str(each["id"]), received, device, each["kind"], each["code"], str(each["entries"]), each["detail"]]
        table.add_row(*(Text(_plain(cell)) for cell in cells))  # [brackets] of a name are no markup
    console.print(table)
    console.print(f"{len(letters)} of {total}")


def show_one(letter: Mapping[str, Any], console: Console) -> None:
    """Field by field; the payload last, as text."""
    for name, value in letter.items():
        if name not in ("payload_text", "paths"):
            console.print(f"{name:<14} {_plain(str(value))}", markup=False, highlight=False)
    for each in letter["paths"]:
        console.print(f"refused        {_plain(each['path'])}: {each['code']}", markup=False, highlight=False)
    console.print(_plain(letter["payload_text"]), markup=False, highlight=False)


def _plain(text: str) -> str:
    """What a stranger's device sent must not steer somebody's terminal."""
    return "".join(each if each.isprintable() or each in "\n\t" else "\ufffd" for each in text)
