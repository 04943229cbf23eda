"""One client's session, over any transport: what it asks for, what it is sent, how it ends."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from services.realtime.errors import BadMessage, LatestUnavailable
from services.realtime.frames import (
    PONG,
    caught_up_frame,
    error_frame,
    heartbeat_frame,
    reading_text,
    snapshot_frame,
    subscribed_frame,
    welcome_frame,
)
from services.realtime.hub import Ahead, Hub
from services.realtime.mailbox import Express, Mailbox
from services.realtime.pace import Pace
from services.realtime.past import Missed, Past, Since
from services.realtime.protocol import MAX_MESSAGE_BYTES, Ping, Subscribe, Unsubscribe, parse
from services.realtime.recent import Known
from services.realtime.selection import Filter, Selection, UserIds, select
from services.realtime.transport import CloseCode, Transport

MAX_SUBSCRIPTIONS: Final = 100
SNAPSHOT_READINGS: Final = 1_000
BAD_MESSAGES_ALLOWED: Final = 10
STUCK_S: Final = 30.0
"""A send that the client's kernel has not taken for so long: its peer is gone, or reads nothing."""

Latest = Callable[[UserIds, frozenset[str] | None], Awaitable[Sequence[Known]]]
"""The known devices of these owners (None: all), all of them or those named, with their rows of the latest table."""


@dataclass(frozen=True, slots=True)
class Stream:
    """What all sessions share."""

    hub: Hub
    latest: Latest
    past: Past
    clock: Callable[[], float]
    heartbeat_s: float
    subscribes_per_min: int = 240


class Session:
    """`run` serves the client until it is gone or `end` is called. `user_ids`: whose devices it may see, None: all."""

    def __init__(
        self, stream: Stream, transport: Transport, mailbox: Mailbox, user_ids: UserIds, stuck_s: float = STUCK_S
    ) -> None:
        self._stream = stream
        self._transport = transport
        self._user_ids = user_ids
        self._stuck_s = stuck_s
        self._subscriptions: dict[int, Subscribe] = {}
        self._selection: Selection = select(user_ids, ())
        self._bad_messages = 0
        self._pace = Pace(stream.subscribes_per_min)
        self._end: tuple[int, str] | None = None
        self._sending = False
        self._moved_s = stream.clock()
        self.frames = 0
        self.mailbox = mailbox
        self.express: Express | None = None

    async def run(self) -> None:
        """Write in this task, read in another; whichever ends takes the other along."""
        reader = asyncio.create_task(self._read(), name="session_reader")
        try:
            await self._write()
        finally:
            self._select({})
            reader.cancel()
            await asyncio.wait([reader])
        if not reader.cancelled():
            reader.result()

    def end(self, code: int, reason: str) -> None:
        """Close soon; what still waits is not sent. The first reason given counts."""
        if self._end is None:
            self._end = (code, reason)
            self.mailbox.wake()

    def subscribe(self, asked: Subscribe, had: Ahead | None = None) -> None:
        """Begin or replace a subscription, from the next publication on; `had`: see Hub.move."""
        if not self.mailbox.cursor:
            self.mailbox.cursor = self._stream.hub.cursor
        self._select({**self._subscriptions, asked.id: asked}, had)

    def see(self, user_ids: UserIds) -> None:
        """From now on the devices of these owners, whatever was subscribed to before."""
        self._user_ids = user_ids
        self._select(self._subscriptions)
        if self.mailbox.holding:  # a history of before is on its way
            self.end(CloseCode.UNKNOWN, "what you may see has changed: log in again")

    @property
    def subscriptions(self) -> int:
        return len(self._subscriptions)

    @property
    def ended(self) -> int:
        """The code with which it ended: by the client's leaving, if nobody said otherwise."""
        return int(self._end[0]) if self._end else CloseCode.GONE

    def stuck(self, now: float) -> bool:
        return self.mailbox.overflowed or (self._sending and now - self._moved_s > self._stuck_s)

    @property
    def idle(self) -> bool:
        """Nothing is being sent, and nothing is about to be."""
        waiting = self._sending or len(self.mailbox) or self.mailbox.holding
        return not waiting and self._stream.hub.quiet(self._selection)

    def beat(self, now: float) -> None:
        """Send a heartbeat if nothing was sent for a while and nothing is about to be: its cursor skips nothing."""
        if self.idle and now - self._moved_s >= self._stream.heartbeat_s:
            cursor = self._stream.hub.cursor
            self.mailbox.cursor = cursor
            self.mailbox.reply(heartbeat_frame(cursor))

    async def _write(self) -> None:
        await self._send(welcome_frame(self._stream.heartbeat_s))
        if self.express is not None:
            self.mailbox.express = self._overtake
        while self._end is None and not self.mailbox.overflowed:
            frames = self.mailbox.take()
            if not frames:
                await self.mailbox.filled()
            for frame in frames:
                await self._send(frame)
        code, reason = self._end or (CloseCode.TOO_SLOW, "too slow: read faster, or subscribe to less")
        if code != CloseCode.GONE:
            await self._transport.close(code, reason)

    async def _send(self, frame: str) -> None:
        self._sending, self._moved_s = True, self._stream.clock()
        await self._transport.send(frame)
        self._sending = False
        self._moved_s = self._stream.clock()
        self.frames += 1

    def _overtake(self, frame: str) -> bool:
        """For the mailbox, while nothing waits in it: past the writer, unless that is in the middle of a send."""
        if self._sending or self._end is not None or self.express is None or not self.express(frame):
            return False
        self._moved_s = self._stream.clock()
        self.frames += 1
        return True

    async def _read(self) -> None:
        try:
            while (message := await self._transport.receive()) is not None:
                await self._handle(message)
                await self.mailbox.replied()
            self.end(CloseCode.GONE, "")
        finally:
            self.end(CloseCode.FAILED, "internal error")

    async def _handle(self, message: str | bytes) -> None:
        if len(message) > MAX_MESSAGE_BYTES or (isinstance(message, str) and len(message.encode()) > MAX_MESSAGE_BYTES):
            self.end(CloseCode.TOO_BIG, f"a message may have {MAX_MESSAGE_BYTES} bytes")
            return
        try:
            await self._obey(message)
            self._bad_messages = 0
        except BadMessage as error:
            self._bad_messages += 1
            if self._bad_messages > BAD_MESSAGES_ALLOWED:
                self.end(CloseCode.BAD_MESSAGE, "too many bad messages")
            self.mailbox.reply(error_frame(error.code, str(error), error.id))

    async def _obey(self, message: str | bytes) -> None:
        if isinstance(message, bytes):
            raise BadMessage("bad_message", "send text frames, not binary ones")
        asked = parse(message)
        if isinstance(asked, Subscribe):
            self._keep_pace(asked)
            await self._begin(asked)
        elif isinstance(asked, Unsubscribe):
            left = {number: other for number, other in self._subscriptions.items() if number != asked.id}
            self._select(left, self._stream.hub.had(self.mailbox))
        elif isinstance(asked, Ping):
            self.mailbox.reply(PONG)

    def _keep_pace(self, asked: Subscribe) -> None:
        wait_s = self._pace.wait_s(self._stream.clock())
        if wait_s:
            often = self._stream.subscribes_per_min
            raise BadMessage("rate_limited", f"{often} subscribes a minute: try again in {wait_s:.0f} s", asked.id)

    async def _begin(self, asked: Subscribe) -> None:
        if len(self._subscriptions) >= MAX_SUBSCRIPTIONS and asked.id not in self._subscriptions:
            message = f"a session may have {MAX_SUBSCRIPTIONS} subscriptions"
            raise BadMessage("too_many_subscriptions", message, asked.id)
        since = self._stream.past.read(asked)
        named = None if asked.devices == "*" else frozenset(asked.devices)
        table: Sequence[Known] = ()
        unavailable = False
        try:
            table = await self._stream.latest(self._user_ids, named)
        except LatestUnavailable:
            unavailable = True
        if since is not None:
            await self._stream.past.heard(since)
        # from here on nothing waits: the snapshot holds all that was published so far, live all that comes
        known = self._stream.hub.latest(select(self._user_ids, [asked]), table)
        unknown = sorted((named or frozenset()) - {row.device_id for row in known})
        self.mailbox.reply(subscribed_frame(asked.id, len(known), unknown))
        if since is not None:
            await self._return(asked, since)
            return
        self.subscribe(asked)
        if unavailable:
            message = "the newest values can't be read now; live readings come as they arrive"
            self.mailbox.reply(error_frame("snapshot_incomplete", message, asked.id))
        self._snapshot(asked, known)

    async def _return(self, asked: Subscribe, since: Since) -> None:
        """What was missed, and then live, which waits meanwhile: a cursor ahead of the history would lose the rest."""
        plan = self._stream.hub.resume(since.cursor)
        self.subscribe(asked, plan.ahead)
        place = self._stream.hub.cursor
        self.mailbox.hold(place)
        missed = Missed()
        try:
            missed = await self._stream.past.missed(since, plan, select(self._user_ids, [asked]))
            for frame in missed.frames(asked.id):
                self.mailbox.reply(frame)
                await self.mailbox.replied()  # one part at a time: a client that reads nothing holds up itself alone
            self.mailbox.reply(caught_up_frame(asked.id, place))
        finally:
            self.mailbox.release(missed.received)

    def _snapshot(self, asked: Subscribe, known: Sequence[Known]) -> None:
        seen = Filter(select(self._user_ids, [asked]))
        readings = [row.reading for row in known if row.reading is not None]
        texts = [text for reading in readings if (text := seen.text(reading, reading_text(reading))) is not None]
        for begin in range(0, max(len(texts), 1), SNAPSHOT_READINGS):
            self.mailbox.reply(snapshot_frame(asked.id, texts[begin : begin + SNAPSHOT_READINGS]))

    def _select(self, subscriptions: dict[int, Subscribe], had: Ahead | None = None) -> None:
        selection = select(self._user_ids, subscriptions.values())
        self._stream.hub.move(self.mailbox, self._selection, selection, had)
        self._subscriptions, self._selection = subscriptions, selection
