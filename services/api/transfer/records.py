"""The bytes of a file, as they come, cut into records: lines of NDJSON, rows of CSV. Pure."""

from typing import Final

# of one row: its readings may have 64 KiB, and CSV writes a quote as two
MAX_RECORD: Final = 160 * 1024
TOO_LONG: Final = None

_BOM: Final = b"\xef\xbb\xbf"


class Records:
    """Give it blocks; it gives the records that are complete, without blank ones, and TOO_LONG for what is no record.

    `quoted`: a line break within quotes belongs to its record.
    """

    def __init__(self, *, quoted: bool) -> None:
        self._quoted = quoted
        self._line = b""  # whose end has yet to come
        self._open: list[bytes] = []  # lines of a record with an open quote
        self._size = 0
        self._skipping = False
        self._begun = False

    def feed(self, block: bytes) -> list[bytes | None]:
        """After the last block, call `end`."""
        if not self._begun and block:
            block = block.removeprefix(_BOM)
            self._begun = True
        *lines, self._line = (self._line + block).split(b"\n")
        found: list[bytes | None] = []
        for line in lines:
            self._take(line, found)
        if len(self._line) > MAX_RECORD:
            if not self._skipping:
                found.append(TOO_LONG)
            self._skipping, self._line = True, b""
            self._open, self._size = [], 0
        return found

    def end(self) -> list[bytes | None]:
        """What came after the last line break."""
        found: list[bytes | None] = []
        self._take(self._line, found)
        if self._open:
            found.append(b"\n".join(self._open))  # a quote that was never closed
        self._line, self._open = b"", []
        return found

    def _take(self, line: bytes, found: list[bytes | None]) -> None:
        if self._skipping:
            self._skipping = False  # it was the end of what was too long
            return
        if not self._open and not self._quoted:
            self._give(line, found)
            return
        odd = line.count(b'"') % 2 == 1
        if not self._open and not odd:
            self._give(line, found)
            return
        self._open.append(line)
        self._size += len(line) + 1  # an empty line is kept, too
        if odd and len(self._open) > 1:
            self._give(b"\n".join(self._open), found)
        elif self._size > MAX_RECORD:
            found.append(TOO_LONG)
        else:
            return
        self._open, self._size = [], 0

    @staticmethod
    def _give(record: bytes, found: list[bytes | None]) -> None:
        if len(record) > MAX_RECORD:
            found.append(TOO_LONG)
        elif not record.isspace() and record:
            found.append(record)
