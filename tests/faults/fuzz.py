"""Seeded noise: takes what is right and spoils it, so that most of it comes further than pure chance would."""

import random
from collections.abc import Callable, Iterator, Sequence
from typing import Final

MOST_CHANGES: Final = 4
_LONGEST_RUN: Final = 40
_WORDS: Final = (
    b"null",
    b"true",
    b"-0",
    b"1e999",
    b"NaN",
    b"9" * 400,
    b'""',
    b'"\\ud800"',
    b"\\u0000",
    b"\x00",
    b"\xff\xfe",
    b"[" * 300,
    b'{"a":' * 200,
    b"}",
    b",",
    b"/+/#",
    b"$share/g/",
    b'"__proto__"',
    b"' OR 1=1 --",
    b"\xe2\x80\xae",
)


class Noise:
    """The same `seed` gives the same noise."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._ways: tuple[Callable[[bytes, bytes], bytes], ...] = (
            self._flip,
            self._cut,
            self._insert,
            self._repeat,
            self._cross,
        )

    def spoiled(self, good: Sequence[bytes], number: int) -> Iterator[bytes]:
        """So many, each one of the good ones after one to four changes."""
        for _ in range(number):
            data = self._random.choice(good)
            for _ in range(self._random.randint(1, MOST_CHANGES)):
                data = self._random.choice(self._ways)(data, self._random.choice(good))
            yield data

    def _flip(self, data: bytes, _other: bytes) -> bytes:
        at = self._at(data)
        return data[:at] + bytes([self._random.randrange(256)]) + data[at + 1 :]

    def _cut(self, data: bytes, _other: bytes) -> bytes:
        at = self._at(data)
        return data[:at] + data[at + self._random.randint(1, _LONGEST_RUN) :]

    def _insert(self, data: bytes, _other: bytes) -> bytes:
        at = self._at(data)
        return data[:at] + self._random.choice(_WORDS) + data[at:]

    def _repeat(self, data: bytes, _other: bytes) -> bytes:
        at = self._at(data)
        return data[:at] + data[at : at + _LONGEST_RUN] * self._random.randint(2, 5) + data[at:]

    def _cross(self, data: bytes, other: bytes) -> bytes:
        return data[: self._at(data)] + other[self._at(other) :]

    def _at(self, data: bytes) -> int:
        return self._random.randint(0, len(data))
