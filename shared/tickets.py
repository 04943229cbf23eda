"""Tickets for the live streams: made by the api for somebody who is logged in, taken by realtime. Pure.

A browser can't give a WebSocket or an EventSource a header, and what stands in an address ends up in logs: so a ticket
is short-lived, opens one kind of stream, and opens it once.
"""

import secrets
from collections import OrderedDict
from typing import Final, Literal, NamedTuple

from shared.signed import BadToken, Kind, read, sign

Purpose = Literal["ws", "sse"]

# an EventSource comes back with the same address: it can't ask for a new ticket
KINDS: Final = {
    "ws": Kind("ticket+jwt", "telemetrio-ws", 30),
    "sse": Kind("ticket+jwt", "telemetrio-sse", 15 * 60),
}
_MOST_REMEMBERED: Final = 100_000


class BadTicket(Exception):
    """No, wrong, old or used; a client asks for a new one."""


class Holder(NamedTuple):
    """Whose it is. `everybody`: an admin's, who sees all devices.

    `session` or `key`: by which login, or API key, it was asked for; what it opens ends with that.
    """

    user_id: int
    everybody: bool = False
    session: str = ""
    key: int | None = None

    @property
    def tenants(self) -> frozenset[int] | None:
        """Whose data it opens; None: everybody's."""
        return None if self.everybody else frozenset({self.user_id})


class Ticket(NamedTuple):
    """One that was read."""

    id: str
    holder: Holder
    ends_s: int


def issue(secret: str, purpose: Purpose, holder: Holder, now_s: float) -> str:
    claims = {"sub": str(holder.user_id), "all": holder.everybody, "jti": secrets.token_hex(16)}
    by = {"sid": holder.session, "key": holder.key}
    return sign(KINDS[purpose], secret, {**claims, **{name: value for name, value in by.items() if value}}, now_s)


def verify(secret: str, purpose: Purpose, text: str | None, now_s: float) -> Ticket:
    """Raises BadTicket. Whether it was used before is for `Used` to know."""
    if not text:
        raise BadTicket("no ticket: get one by POST /api/v1/live/ticket")
    try:
        claims = read(KINDS[purpose], secret, text, now_s)
        key = claims.get("key")
        by = str(claims.get("sid", "")), None if key is None else int(key)
        return Ticket(str(claims["jti"]), Holder(int(claims["sub"]), claims["all"] is True, *by), claims["exp"])
    except (BadToken, KeyError, TypeError, ValueError) as error:
        raise BadTicket("this ticket opens nothing (any more): get a new one by POST /api/v1/live/ticket") from error


class Used:
    """The tickets that were used up, until they would be refused for their age; bounded."""

    def __init__(self) -> None:
        self._ends: OrderedDict[str, float] = OrderedDict()

    def use(self, ticket: Ticket, now_s: float) -> None:
        """Raises BadTicket the second time."""
        while self._ends and (next(iter(self._ends.values())) <= now_s or len(self._ends) >= _MOST_REMEMBERED):
            self._ends.popitem(last=False)
        if ticket.id in self._ends:
            raise BadTicket("this ticket was used: get a new one by POST /api/v1/live/ticket")
        # later than its own end by what clocks may differ
        self._ends[ticket.id] = ticket.ends_s + 60

    def __len__(self) -> int:
        return len(self._ends)
