"""`telemetrio backup --check`: whether an archive is whole, every part of it as it was written."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, TypeVar

from pydantic import BaseModel, ValidationError
from rich.progress import Progress

from shared.process import ExitCode, Refusal
from telemetrio.backup.archive import Damaged, Part, parts_of
from telemetrio.backup.manifest import DATABASE, FORMAT, HEADER, MANIFEST, Entry, Header, Manifest, Tables

M = TypeVar("M", bound=BaseModel)


class Archive(NamedTuple):
    """What a whole one says of itself."""

    header: Header
    tables: Tables
    manifest: Manifest


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    try:
        with path.open("rb") as file:
            yield file
    except FileNotFoundError as error:
        raise Refusal(f"{path}: there is no such file", ExitCode.WRONG_SETTINGS) from error


def check(path: Path, progress: Progress) -> Archive:
    """Read all of it; raises Damaged, which names the first part that isn't as it was written."""
    documents: dict[str, Part] = {}
    entries: list[Entry] = []
    task = progress.add_task("checking", total=path.stat().st_size if path.exists() else 0)
    with opened(path) as file:
        for part in parts_of(file):
            if part.name in (HEADER, DATABASE, MANIFEST):
                documents[part.name] = part
            else:
                entries.append(part.entry)
            if part.name == HEADER:
                _check_format(_document(Header, documents, HEADER))
            progress.update(task, completed=part.end)
    manifest = _document(Manifest, documents, MANIFEST)
    _compare(manifest.parts, entries)
    return Archive(_document(Header, documents, HEADER), _document(Tables, documents, DATABASE), manifest)


def _check_format(header: Header) -> None:
    if header.format != FORMAT:
        raise Damaged(f"this archive has format {header.format}, and this telemetrio reads {FORMAT}: take a newer one")


def _document(model: type[M], documents: dict[str, Part], name: str) -> M:
    part = documents.get(name)
    if part is None:
        raise Damaged(f"the archive has no {name}: it was never finished")
    try:
        return model.model_validate_json(part.data)
    except ValidationError as error:
        raise Damaged(f"{name} is damaged: {error.errors(include_url=False)[0]['msg']}") from error


def _compare(wanted: list[Entry], seen: list[Entry]) -> None:
    names = {entry.name for entry in seen}
    for entry in wanted:
        if entry.name not in names:
            raise Damaged(f"{entry.name} is missing")
    for entry, other in zip(wanted, seen, strict=False):
        if entry != other:
            raise Damaged(f"{other.name} is not the part that was written there")
    if len(seen) > len(wanted):
        raise Damaged(f"{seen[len(wanted)].name} was added")
