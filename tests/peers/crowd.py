"""Many clients at a realtime with accounts, each of which keeps to docs/protocol.md: a cursor, a backoff, a ticket."""

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple, Self

import aiohttp
import orjson

_FIRST_S, _LONGEST_S = 0.5, 15.0
_SILENCE_S = 45.0
_GAP_S = 2.0
TICKET_GOOD_S = 20.0  # one that nobody saw is kept for so long
_SECONDS = re.compile(r"(\d+(?:\.\d+)?) s\b")
Identity = tuple[str, str]


class Frame(NamedTuple):
    """What a client needs of a message: `since` of a gap, the sentence of an error."""

    kind: str
    readings: tuple[Identity, ...]
    cursor: str | None
    since: str | None
    said: str


@lru_cache(4096)  # a thousand clients are told the same
def _read(text: str) -> Frame:
    message: dict[str, Any] = orjson.loads(text)
    readings = tuple((one["device_id"], one["timestamp"]) for one in message.get("readings", ()))
    return Frame(message["type"], readings, message.get("cursor"), message.get("since"), message.get("message", ""))


class Member:
    """One client, over all its connections. `live`: how often each reading came that way."""

    def __init__(self, crowd: "Crowd", bearer: dict[str, str]) -> None:
        self._crowd = crowd
        self._bearer = bearer
        self._ticket, self._ticket_since = "", -TICKET_GOOD_S
        self._asked = False
        self.live: Counter[Identity] = Counter()
        self.history: set[Identity] = set()
        self.place: str | None = None
        self.here = self.holed = False

    @property
    def have(self) -> set[Identity]:
        return self.live.keys() | self.history

    @property
    def whole(self) -> bool:
        """It is here, and no gap waits to be asked for."""
        return self.here and not self.holed

    async def stay(self) -> None:
        """Come back whenever the connection is lost, until cancelled."""
        attempt = 0
        while True:
            told_s = 0.0
            try:
                told_s = await self._visit()
                attempt = 0
            except (OSError, aiohttp.ClientError, TimeoutError) as error:
                attempt += 1
                self._crowd.refused[type(error).__name__] += 1
            self.here = False
            backoff_s = random.uniform(0.1, min(_LONGEST_S, _FIRST_S * 2 ** min(attempt, 10)))
            await self._crowd.pause(told_s or backoff_s)

    async def _visit(self) -> float:
        """Return when the server has closed it: when it wants to see this client again, in s; 0: it does not say."""
        if time.monotonic() - self._ticket_since > TICKET_GOOD_S:
            self._ticket_since = time.monotonic()
            self._ticket = await self._crowd.ticket(self._bearer)
        async with self._crowd.sockets.ws_connect(self._crowd.live) as socket:
            self._ticket_since = -TICKET_GOOD_S
            await _say(socket, {"type": "auth", "ticket": self._ticket})
            await self._subscribe(socket)
            while (frame := await socket.receive(_SILENCE_S)).type is aiohttp.WSMsgType.TEXT:
                await self._hear(_read(frame.data), socket)
        if frame.type is not aiohttp.WSMsgType.CLOSE:
            raise ConnectionResetError
        self._crowd.closed[frame.data] += 1
        found = _SECONDS.search(frame.extra or "")  # too many at once: each is told when to come back
        return float(found[1]) if found else 0.0

    async def _subscribe(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        asked: dict[str, Any] = {"type": "subscribe", "id": 1, "devices": "*"}
        if self.place is not None:
            asked["since"] = self.place
        self._asked = True
        self.holed = False
        await _say(socket, asked)

    async def _hear(self, told: Frame, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Until `caught_up` the place stays what it was; so it does from a gap until that has been asked for."""
        if told.kind == "readings":
            self.live.update(told.readings)
        elif told.kind == "history":
            self.history.update(told.readings)
        elif told.kind == "error":
            self._crowd.errors.append(told.said)
        elif told.kind == "gap" and not self.holed:
            self.holed, self.place = True, told.since
            self._crowd.later(self._fill(socket))
        elif told.kind in ("snapshot", "caught_up"):
            self.here, self._asked = True, False
        if told.cursor is not None and not self.holed and not self._asked:
            self.place = told.cursor

    async def _fill(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        await self._crowd.pause(_GAP_S)
        if not socket.closed:
            await self._subscribe(socket)


async def _say(socket: aiohttp.ClientWebSocketResponse, message: dict[str, Any]) -> None:
    await socket.send_str(orjson.dumps(message).decode())


class Crowd:
    """`bearers`: the headers of each client's user. Comes on entering, goes on leaving."""

    def __init__(self, live: str, api: str, bearers: Sequence[dict[str, str]]) -> None:
        self.closed: Counter[int] = Counter()
        self.refused: Counter[str] = Counter()
        self.errors: list[str] = []
        self.members = [Member(self, bearer) for bearer in bearers]
        self.live = f"{live}/ws"
        self._tickets = f"{api}/api/v1/live/ticket"
        self._going = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=20))
        self.sockets = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        for member in self.members:
            self.later(member.stay())
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        told = await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()
        await self.sockets.close()
        assert [one for one in told if not isinstance(one, asyncio.CancelledError | None)] == []

    def __repr__(self) -> str:
        here, holed = (sum(getattr(member, name) for member in self.members) for name in ("here", "holed"))
        ends = f"closed {dict(self.closed)}, refused {dict(self.refused)}, errors {self.errors[:3]}"
        return f"{here} here, {holed} with a gap; {ends}"

    def later(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)

    async def pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._going.wait(), seconds)

    async def ticket(self, bearer: dict[str, str]) -> str:
        """It must not be refused, and may be asked to wait."""
        while True:
            async with self._session.post(self._tickets, json={"purpose": "ws"}, headers=bearer) as answer:
                if answer.status == 201:
                    return str((await answer.json())["ticket"])
                assert answer.status in (429, 503), await answer.text()
                wait_s = float(answer.headers["Retry-After"])
            self.refused[f"{answer.status}"] += 1
            await self.pause(wait_s)
