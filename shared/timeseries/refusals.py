"""Which readings of a refused write are the bad ones: first by the field that is named, then by halving.

A write that is too large is halved in the same way; a reading is too large only if it is so by itself.
"""

import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from shared.readings import Reading
from shared.timeseries.influxhttp import Answer, outage
from shared.timeseries.lineprotocol import PROBE, has_field
from shared.timeseries.store import Unavailable

Write = Callable[[bytes], Awaitable[Answer]]
Positions = Sequence[int]

# Only at the end is it the server's own: before it stands the line, which a device wrote.
_dropped: Final = re.compile(r"(?:[a-z ]+: )?partial write: (?!unable to parse).*dropped=(\d+)\Z", re.DOTALL).match
_too_old: Final = re.compile(r"(?:[a-z ]+: )?partial write: points beyond retention policy dropped=\d+\Z").match
_named_field: Final = re.compile(r'input field "([^"]+)" on measurement "([^"]+)"').search
_named_column: Final = re.compile(r"for column '([^']+)'").search


class Search:
    """Writes parts of a batch until every reading is stored, or was refused alone while a probe was taken."""

    def __init__(self, write: Write, readings: Sequence[Reading], lines: Mapping[int, bytes]) -> None:
        self._write = write
        self._readings = readings
        self._lines = lines

    async def run(self, answer: Answer) -> list[tuple[int, str]]:
        """(position, reason) of each bad one; `answer` is what the whole got. Raises Unavailable."""
        await self.probe()
        bad: list[tuple[int, str]] = []
        waiting = [(list(self._lines), answer)]
        while waiting:
            positions, answer = waiting.pop()
            if len(positions) == 1 or _all_dropped(answer, len(positions)):
                bad += await self._surely_bad(positions)
                continue
            for part in self._split(positions, answer):
                said = await self._send(part)
                if not said.stored:
                    waiting.append((part, said))
        await self._repeat_twins({position for position, _ in bad})
        return sorted(bad)

    async def _repeat_twins(self, bad: set[int]) -> None:
        """Readings of one identity were perhaps sent in another order: again in theirs, so that the last one wins."""
        twins: dict[tuple[str, int, str, int], list[int]] = {}
        for position in self._lines.keys() - bad:
            twins.setdefault(self._readings[position][:4], []).append(position)
        again = sorted(position for same in twins.values() if len(same) > 1 for position in same)
        if again and not (answer := await self._send(again)).stored:
            raise Unavailable(f"InfluxDB changed its mind: {answer.reason}")

    async def _surely_bad(self, positions: list[int]) -> list[tuple[int, str]]:
        """Refused, a probe taken, refused again: a server that is full for a moment is not mistaken for bad data."""
        await self.probe()
        answer = await self._send(positions)
        if answer.stored:
            return []
        if len(positions) > 1 and not _all_dropped(answer, len(positions)):
            raise Unavailable(f"InfluxDB changed its mind: {answer.reason}")
        return [(position, answer.reason) for position in positions]

    def _split(self, positions: list[int], answer: Answer) -> list[list[int]]:
        """Those that carry the named field apart from the others; in halves if that doesn't divide them."""
        named = _named_field(answer.reason)
        column = named or _named_column(answer.reason)
        if column is not None:
            suspects = [position for position in positions if self._carries(position, column[1], named and named[2])]
            if 0 < len(suspects) < len(positions):
                suspected = set(suspects)
                return [[position for position in positions if position not in suspected], suspects]
        half = len(positions) // 2
        return [positions[:half], positions[half:]]

    def _carries(self, position: int, field: str, measurement: str | None) -> bool:
        reading = self._readings[position]
        return measurement in (None, reading.measurement) and has_field(reading, field)

    async def _send(self, positions: Positions) -> Answer:
        answer = await self._write(b"\n".join([self._lines[position] for position in positions]))
        if answer.stored or refuses(answer):
            return answer
        raise outage(answer)

    async def probe(self) -> None:
        """Raise Unavailable unless a point that nobody can call bad is taken."""
        answer = await self._write(PROBE)
        if refuses(answer):
            raise Unavailable(f"InfluxDB refuses even a probe: {answer.reason}", answer.retry_after_s)
        if not answer.stored:
            raise outage(answer)


def refuses(answer: Answer) -> bool:
    """Whether something in it is bad, or it is too large: both are found out by sending less."""
    return answer.refused or answer.status == 413


def is_too_old(answer: Answer) -> bool:
    """Whether all that was wrong is that some points are older than what is kept: the others are stored."""
    return answer.refused and _too_old(answer.reason) is not None


def _all_dropped(answer: Answer, number: int) -> bool:
    """Whether the server says that it took none of so many, which saves asking for each."""
    said = _dropped(answer.reason)
    return said is not None and int(said[1]) >= number
