"""The way in, the same for every transport: a turn, a login where one is asked for, room, then a session."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from services.realtime.admission import LOCAL_ADMIN, Gatekeeper, Guest, Offer, Turnstile
from services.realtime.errors import Crowded, Denied
from services.realtime.session import Session
from services.realtime.sessions import Sessions
from services.realtime.transport import CloseCode

LOGIN_WITHIN_S: Final = 10.0


class Visit:
    """One client from its first byte to its last."""

    def __init__(self, entrance: "Entrance", transport: str) -> None:
        self._entrance = entrance
        self._transport = transport
        self.guest: Guest | None = None

    async def identify(self, offer: Offer | None) -> Guest:
        """Who it is; raises Denied for who is nobody, and for who is here too often already."""
        if self._entrance.asks:
            if offer is None or not offer.text:
                raise Denied(CloseCode.UNKNOWN, "no ticket: get one by POST /api/v1/live/ticket")
            guest = await self._entrance.keeper.admit(offer)
            self._entrance.count(guest)
        else:
            guest = LOCAL_ADMIN
        self.guest = guest
        return guest

    async def serve(self, session: Session) -> None:
        self._entrance.clients[self._transport] += 1
        try:
            await self._entrance.sessions.serve(session, self.guest or LOCAL_ADMIN)
        finally:
            self._entrance.clients[self._transport] -= 1


class Entrance:
    """What the endpoints share. `per_user`: connections that one user may have; in open mode nobody is counted."""

    def __init__(self, sessions: Sessions, keeper: Gatekeeper, turnstile: Turnstile, per_user: int) -> None:
        self.sessions: Final = sessions
        self.keeper: Final = keeper
        self._turnstile = turnstile
        self._per_user = per_user
        self._present: Counter[int] = Counter()
        self.refused: Final[Counter[str]] = Counter(crowded=0, denied=0)
        self.clients: Final[Counter[str]] = Counter(websocket=0, sse=0, socketio=0)

    @property
    def asks(self) -> bool:
        """Whether a client must say who it is."""
        return self.keeper.asks

    async def turn(self) -> None:
        """Wait for this newcomer's turn; raises Crowded."""
        try:
            wait_s = self._turnstile.wait_s(asyncio.get_running_loop().time())
        except Crowded:
            self.refused["crowded"] += 1
            raise
        if wait_s:
            await asyncio.sleep(wait_s)
        if self.sessions.draining:
            raise Crowded(1.0, CloseCode.RESTART, "restart")

    @contextmanager
    def visit(self, transport: str) -> Iterator[Visit]:
        """Around all that is done for one client, in the task that does it."""
        self.sessions.entering()
        visit = Visit(self, transport)
        try:
            yield visit
        except Denied:
            self.refused["denied"] += 1
            raise
        finally:
            self.sessions.left()
            if self.asks and visit.guest is not None:
                self._leave(visit.guest.user_id)

    def count(self, guest: Guest) -> None:
        """One more connection of this user; raises Denied above `per_user`."""
        if self._present[guest.user_id] >= self._per_user:
            raise Denied(CloseCode.TOO_MANY, f"a user may have {self._per_user} live connections")
        self._present[guest.user_id] += 1

    def _leave(self, user_id: int) -> None:
        self._present[user_id] -= 1
        if not self._present[user_id]:
            del self._present[user_id]
