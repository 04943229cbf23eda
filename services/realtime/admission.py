"""Who comes in: whose ticket it is, and how many newcomers a moment can bear. What a session is told from outside.

The gatekeeper is given by the process: whoever knows accounts says who somebody is, and realtime only asks.
"""

import random
from collections.abc import Collection, Mapping
from typing import Final, Literal, NamedTuple, Protocol

from services.realtime.errors import Crowded
from services.realtime.selection import UserIds

Purpose = Literal["ws", "sse"]

PATIENCE_S: Final = 2.0
"""A newcomer waits so long for its turn; a handshake that takes longer is worth less than an honest answer."""
COME_BACK_S: Final = (1.0, 10.0)


class Guest(NamedTuple):
    """Who a session is for. `user_ids`: whose devices it sees, None: everybody's.

    `key_id`, `login`: the API key or the login that it came by, and with which it ends.
    """

    user_id: int
    user_ids: UserIds
    key_id: int | None = None
    login: str = ""


LOCAL_ADMIN: Final = Guest(1, None)


class Offer(NamedTuple):
    """What a client shows: a ticket for this purpose, or what stands behind `Authorization: Bearer`."""

    kind: Literal["ticket", "bearer"]
    text: str
    purpose: Purpose


class Gatekeeper(Protocol):
    """Vouches for clients. Both methods may take a while; neither may hold anything up for the others."""

    @property
    def asks(self) -> bool:
        """Whether clients must show something at all."""

    async def admit(self, offer: Offer) -> Guest:
        """Raises Denied."""

    async def review(self, guests: Collection[Guest]) -> Mapping[Guest, Guest | None]:
        """Each guest as it is by now; None: it may see nothing any more. Raises ReviewUnavailable."""


class OpenDoor:
    """`auth = open`: everybody is the local admin, and stays it."""

    asks: Final = False

    async def admit(self, _offer: Offer) -> Guest:
        return LOCAL_ADMIN

    async def review(self, guests: Collection[Guest]) -> Mapping[Guest, Guest | None]:
        return {guest: guest for guest in guests}


class Turnstile:
    """`per_s` newcomers a second for ever, each at its turn: a crowd that comes back at once comes in one by one."""

    def __init__(self, per_s: float, patience_s: float = PATIENCE_S) -> None:
        self._interval_s = 1 / per_s
        self._patience_s = patience_s
        self._next_s = 0.0

    def wait_s(self, now: float) -> float:
        """How long this newcomer waits for its turn; raises Crowded where that would be too long."""
        turn_s = max(self._next_s, now)
        if turn_s - now > self._patience_s:
            raise Crowded(random.uniform(*COME_BACK_S))  # noqa: S311 - spreads clients, hides nothing
        self._next_s = turn_s + self._interval_s
        return turn_s - now
