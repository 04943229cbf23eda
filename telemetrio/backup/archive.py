"""The file: a tar of small parts, each gzipped JSON, a document a line. Written from front to back, read the same way.

Each part is whole in itself, so that an archive that broke off is good up to its last one, and goes on behind it.
"""

import gzip
import tarfile
import zlib
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import BinaryIO, Final, NamedTuple

from pydantic import BaseModel

from telemetrio.backup.manifest import MANIFEST, Entry

# what is read, written and sent at once: one write to a store, and less than what proxies let through
PART_ROWS: Final = 5_000
PART_BYTES: Final = 768 * 1024
_SUFFIX: Final = ".ndjson.gz"
_BLOCK: Final = 512
_END: Final = bytes(2 * _BLOCK)
_LARGEST: Final = 64 << 20
_LARGEST_MANIFEST: Final = 1 << 30  # it has a line for each part: of 2e9 readings there are 417,000
_LEVEL: Final = 3


class Damaged(Exception):
    """What is wrong with an archive, and in which part."""


class Part(NamedTuple):
    """`begin` and `end`: where it lies in the file, with its header."""

    name: str
    data: bytes
    begin: int
    end: int

    @property
    def folder(self) -> str:
        return self.name.rpartition("/")[0]

    @property
    def raw(self) -> bytes:
        """Its lines, unpacked; raises Damaged."""
        if not self.name.endswith(".gz"):
            return self.data
        unpacker = zlib.decompressobj(31)
        try:
            raw = unpacker.decompress(self.data, _LARGEST)
        except zlib.error as error:
            raise Damaged(f"{self.name} is damaged: {error}") from error
        if not unpacker.eof or unpacker.unused_data:  # it ends with a checksum
            raise Damaged(f"{self.name} is damaged: it can't be unpacked to its end")
        return raw

    @property
    def lines(self) -> list[bytes]:
        return self.raw.splitlines()

    @property
    def entry(self) -> Entry:
        raw = self.raw
        return Entry(name=self.name, rows=raw.count(b"\n"), sha256=sha256(raw).hexdigest())


def parts_of(file: BinaryIO) -> Iterator[Part]:
    """Each in order, from the beginning; raises Damaged where it isn't one any more."""
    last, begin = "its beginning", 0
    while True:
        block = file.read(_BLOCK)
        if block == bytes(_BLOCK):
            return
        try:
            info = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
        except (tarfile.HeaderError, UnicodeDecodeError) as error:
            raise Damaged(f"the archive breaks off or is damaged behind {last}") from error
        last = info.name
        if info.size > (_LARGEST_MANIFEST if last == MANIFEST else _LARGEST):
            raise Damaged(f"{last} is damaged: no part is that large")
        padded = -(-info.size // _BLOCK) * _BLOCK
        data = file.read(padded)
        if len(data) < padded:
            raise Damaged(f"the archive breaks off in the middle of {last}")
        end = begin + _BLOCK + padded
        yield Part(last, data[: info.size], begin, end)
        begin = end


class Writer:
    """Appends to a file; `entries`: what is in it already, without the documents."""

    def __init__(self, file: BinaryIO, entries: Iterable[Entry] = ()) -> None:
        self._file = file
        self.entries = list(entries)

    def document(self, name: str, content: BaseModel) -> None:
        """As plain JSON, for people and tools; but for the manifest, which is long, one value a line."""
        indent = None if name == MANIFEST else 2
        self._append(name, content.model_dump_json(indent=indent).encode() + b"\n")

    def part(self, folder: str, lines: list[bytes]) -> None:
        """A part of a folder; `lines` are without their line ends."""
        before, _, file = self.entries[-1].name.rpartition("/") if self.entries else ("", "", "")
        number = 1 + int(file.removesuffix(_SUFFIX)) if before == folder else 1
        name, raw = f"{folder}/{number:08d}{_SUFFIX}", b"\n".join([*lines, b""])
        self._append(name, gzip.compress(raw, _LEVEL, mtime=0))
        self.entries.append(Entry(name=name, rows=len(lines), sha256=sha256(raw).hexdigest()))

    def end(self) -> None:
        self._file.write(_END)

    def _append(self, name: str, data: bytes) -> None:
        info = tarfile.TarInfo(name)
        info.size, info.mode = len(data), 0o600
        self._file.write(info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % _BLOCK))
        self._file.flush()  # a kill costs no more than what is being written


class Folder:
    """Lines on their way into parts; `close` writes the rest."""

    def __init__(self, writer: Writer, name: str) -> None:
        self._writer = writer
        self._name = name
        self._lines: list[bytes] = []
        self._size = 0
        self.rows = 0

    def add(self, line: bytes) -> None:
        self._lines.append(line)
        self._size += len(line)
        self.rows += 1
        if len(self._lines) >= PART_ROWS or self._size >= PART_BYTES:
            self.close()

    def close(self) -> None:
        if self._lines:
            self._writer.part(self._name, self._lines)
        self._lines, self._size = [], 0
