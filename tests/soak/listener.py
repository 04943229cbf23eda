"""Somebody who listens to two devices all the time, comes back with the cursor, and asks again for every gap."""

import asyncio
import time
from array import array
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any

import aiohttp
import orjson

_ASK_AGAIN_S = 2.0
_COME_BACK_S = 0.3


class Listener:
    """`seen`: each (device, timestamp) that came, live or as history; `late_s`: how old the live ones were.

    `doubled`: what came live twice although nothing was asked for again in between, with when it came and when it came
    again, by the monotonic clock.
    """

    def __init__(self, url: str, devices: Sequence[str]) -> None:
        self._url = url
        self._devices = list(devices)
        self._cursor: str | None = None
        self._owed: str | None = None
        self._asked_again = 0
        self._live: dict[tuple[str, str], tuple[int, float]] = {}
        self.doubled: list[tuple[tuple[str, str], float, float]] = []
        self.history: set[tuple[str, str]] = set()
        self.gaps = 0
        self.connections = 0
        self.late_s = array("f")

    @property
    def seen(self) -> set[tuple[str, str]]:
        return self.history | self._live.keys()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            with suppress(aiohttp.ClientError, OSError, TimeoutError):
                async with aiohttp.ClientSession() as session, session.ws_connect(f"{self._url}/ws") as raw:
                    self.connections += 1
                    await self._follow(raw)
            # nobody there: as a browser waits, and no longer
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.Event().wait(), _COME_BACK_S)

    async def _follow(self, raw: aiohttp.ClientWebSocketResponse) -> None:
        self._asked_again += self._owed is not None
        await self._ask(raw, self._owed or self._cursor)
        asked = time.monotonic()
        while True:
            try:
                frame = await raw.receive(_ASK_AGAIN_S)
            except TimeoutError:
                frame = None
            if frame is not None:
                if frame.type is not aiohttp.WSMsgType.TEXT:
                    return
                self._hear(orjson.loads(frame.data))
            if self._owed is not None and time.monotonic() - asked > _ASK_AGAIN_S:
                asked = time.monotonic()
                since, self._owed = self._owed, None
                self._asked_again += 1
                await self._ask(raw, since)

    async def _ask(self, raw: aiohttp.ClientWebSocketResponse, since: str | None) -> None:
        asked: dict[str, Any] = {"type": "subscribe", "id": 1, "devices": self._devices}
        if since is not None:
            asked["since"] = since
        await raw.send_str(orjson.dumps(asked).decode())

    def _hear(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "readings":
                now_s, heard_s = time.time(), time.monotonic()
                for one in message["readings"]:
                    identity = one["device_id"], one["timestamp"]
                    asked_again, before_s = self._live.get(identity, (-1, 0.0))
                    if asked_again == self._asked_again:
                        self.doubled.append((identity, before_s, heard_s))
                    self._live[identity] = self._asked_again, heard_s
                    self.late_s.append(now_s - datetime.fromisoformat(one["timestamp"]).timestamp())
            case "history":
                self.history.update((one["device_id"], one["timestamp"]) for one in message["readings"])
            case "gap":
                self.gaps += 1
                self._owed = self._owed or message["since"]  # the first one that is owed covers those after it
        self._cursor = message.get("cursor", self._cursor)
