"""Tells a device, on its own topic, why something of it was refused: at most once a second, and what was left out.

Only devices that the registry knows are told: an answer to any name would let a stranger make us shout. It is told
after the commit, and nothing waits for it: what is over a bound is left out and counted.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final, NamedTuple

import orjson

from services.ingest.group import Letter
from services.ingest.post import Post
from shared.keptjson import kept_json
from shared.times import iso_ns
from shared.topics import DEVICE_PREFIX, error_topic

EVERY_S: Final = 1.0
MAX_DEVICES: Final = 10_000
MAX_PATHS: Final = 20


class Complaint(NamedTuple):
    """The newest refusal of a device, and how many before it were not told."""

    letter: Letter
    left_out: int


class Limiter:
    """Pure: `add` refusals, ask what is `due`. The time must not go back."""

    def __init__(self) -> None:
        self._waiting: dict[str, Complaint] = {}
        self._quiet_until_s: dict[str, float] = {}  # in the order in which they end
        self.dropped = 0

    def add(self, device_id: str, letter: Letter) -> None:
        waiting = self._waiting.get(device_id)
        if waiting is not None:
            self._waiting[device_id] = Complaint(letter, waiting.left_out + 1)
        elif len(self._waiting) < MAX_DEVICES:
            self._waiting[device_id] = Complaint(letter, 0)
        else:
            self.dropped += 1

    def due(self, now_s: float) -> dict[str, Complaint]:
        """What may be told now, by device; it counts as told."""
        while self._quiet_until_s and self._quiet_until_s[device_id := next(iter(self._quiet_until_s))] <= now_s:
            del self._quiet_until_s[device_id]
        due = {device_id: each for device_id, each in self._waiting.items() if device_id not in self._quiet_until_s}
        for device_id in due:
            del self._waiting[device_id]
            self._quiet_until_s[device_id] = now_s + EVERY_S
        return due

    def next_s(self) -> float | None:
        """When something will be due; None while nothing waits."""
        return min((self._quiet_until_s.get(device_id, 0.0) for device_id in self._waiting), default=None)


class Complaints:
    """`hear` of what was committed; `run` is a part of the process."""

    def __init__(self, post: Post, prefix: str = DEVICE_PREFIX, clock: Callable[[], float] = time.monotonic) -> None:
        self._post = post
        self._prefix = prefix
        self._clock = clock
        self._limiter = Limiter()
        self._heard = asyncio.Event()

    def hear(self, letters: Iterable[Letter]) -> None:
        """Letters that devices have just caused. Never waits."""
        for letter in letters:
            if letter.device_id is not None and letter.user_id is not None:  # who has no owner is not known
                self._limiter.add(letter.device_id, letter)
                self._heard.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._heard.wait()
            self._heard.clear()
            self.tell()
            next_s = self._limiter.next_s()
            if next_s is not None:
                with suppress(TimeoutError):
                    async with asyncio.timeout(max(next_s - self._clock(), 0)):
                        await self._heard.wait()
                self._heard.set()

    def tell(self) -> None:
        """Post what is due."""
        for device_id, complaint in self._limiter.due(self._clock()).items():
            self._post.put(error_topic(device_id, self._prefix), encode_complaint(complaint))


def encode_complaint(complaint: Complaint) -> bytes:
    """JSON, see docs/protocol.md. Of many paths the first ones."""
    letter = complaint.letter
    paths = [{"path": path, "code": code} for path, code in orjson.loads(letter.paths)[:MAX_PATHS]]
    told = {"code": letter.code, "detail": letter.detail, "paths": paths, "received_at": iso_ns(letter.received_ns)}
    return kept_json({**told, "left_out": complaint.left_out})
