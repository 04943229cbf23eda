"""Who comes in with `auth = required`: whoever brings a ticket of the api, as long as its user is there."""

import secrets
import time
from collections.abc import Callable, Collection, Mapping
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.realtime.admission import Guest, Offer
from services.realtime.errors import Crowded, Denied, ReviewUnavailable
from services.realtime.transport import CloseCode
from shared.database.tables import users
from shared.tickets import BadTicket, Ticket, Used, verify

_COME_BACK_S: Final = 5.0


class TicketKeeper:
    """An empty `secret` lets in nobody: it could be guessed."""

    asks: Final = True

    def __init__(self, secret: str, engine: AsyncEngine, now_s: Callable[[], float] = time.time) -> None:
        self._secret = secret or secrets.token_urlsafe(48)
        self._engine = engine
        self._used = Used()
        self._now_s = now_s

    async def admit(self, offer: Offer) -> Guest:
        """Raises Denied, or Crowded while the accounts can't be asked: the ticket is as good as before then."""
        try:
            ticket = verify(self._secret, offer.purpose, offer.text, self._now_s())
            guest = await self._admitted(ticket)
            if offer.purpose == "ws":  # an EventSource comes back with the same ticket: it can't ask for another
                self._used.use(ticket, self._now_s())
        except BadTicket as error:
            raise Denied(CloseCode.UNKNOWN, str(error)) from error
        except ReviewUnavailable as error:
            raise Crowded(_COME_BACK_S, why="the accounts can't be asked") from error
        return guest

    async def review(self, guests: Collection[Guest]) -> Mapping[Guest, Guest | None]:
        """Each as it is by now: nobody sees more than the ticket said, and who is disabled or deleted sees nothing."""
        if not guests:
            return {}
        roles = await self._roles({guest.user_id for guest in guests})
        return {guest: _by_now(guest, roles.get(guest.user_id)) for guest in guests}

    async def _admitted(self, ticket: Ticket) -> Guest:
        shown = Guest(ticket.user_id, ticket.tenants)
        guest = (await self.review([shown]))[shown]
        if guest is None:
            raise BadTicket("this ticket's user may see nothing any more")
        return guest

    async def _roles(self, user_ids: Collection[int]) -> dict[int, str]:
        """Of those who are there and not disabled; raises ReviewUnavailable."""
        statement = select(users.c.id, users.c.role).where(users.c.id.in_(user_ids), users.c.disabled.is_(False))
        try:
            async with self._engine.connect() as connection:
                return {row.id: row.role for row in await connection.execute(statement)}
        except (SQLAlchemyError, OSError) as error:
            raise ReviewUnavailable(str(error)) from error


def _by_now(guest: Guest, role: str | None) -> Guest | None:
    """An administrator's key without the scope shows what is its user's: `user_ids` of a ticket are never widened."""
    if role is None:
        return None
    if role == "admin" or guest.user_ids is not None:
        return guest
    return guest._replace(user_ids=frozenset({guest.user_id}))
