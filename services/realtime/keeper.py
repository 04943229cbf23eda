"""Who comes in with `auth = required`: whoever brings a ticket of the api, as long as its user and login are there."""

import asyncio
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from sqlalchemy import Table, or_, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from services.realtime.admission import Guest, Offer
from services.realtime.errors import Crowded, Denied, ReviewUnavailable
from services.realtime.transport import CloseCode
from shared.database.tables import api_keys, sessions, users
from shared.tickets import BadTicket, Ticket, Used, verify

_COME_BACK_S: Final = 5.0
# a database that says nothing is one that is away
_WITHIN_S: Final = 10.0


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
        """Each as it is by now: nobody sees more than the ticket said.

        Who is disabled or deleted sees nothing, and neither does who came by a login or an API key that has ended.
        """
        if not guests:
            return {}
        try:
            async with asyncio.timeout(_WITHIN_S), self._engine.connect() as connection:
                return await _reviewed(connection, guests, round(self._now_s() * 1e9))
        except (SQLAlchemyError, OSError) as error:
            raise ReviewUnavailable(str(error) or "no answer") from error

    async def _admitted(self, ticket: Ticket) -> Guest:
        holder = ticket.holder
        shown = Guest(holder.user_id, holder.tenants, holder.key, holder.session)
        guest = (await self.review([shown]))[shown]
        if guest is None:
            raise BadTicket("this ticket's user, login or key may see nothing any more")
        return guest


async def _reviewed(
    connection: AsyncConnection, guests: Collection[Guest], now_ns: int
) -> Mapping[Guest, Guest | None]:
    roles = await _roles(connection, {guest.user_id for guest in guests})
    logins = await _alive(connection, sessions, {guest.login for guest in guests if guest.login}, now_ns)
    keys = await _alive(connection, api_keys, {guest.key_id for guest in guests if guest.key_id is not None}, now_ns)
    ended = {
        guest
        for guest in guests
        if (guest.login and guest.login not in logins) or (guest.key_id is not None and guest.key_id not in keys)
    }
    return {guest: None if guest in ended else _by_now(guest, roles.get(guest.user_id)) for guest in guests}


async def _roles(connection: AsyncConnection, user_ids: Collection[int]) -> dict[int, str]:
    """Of those who are there and not disabled."""
    statement = select(users.c.id, users.c.role).where(users.c.id.in_(user_ids), users.c.disabled.is_(False))
    return {row.id: row.role for row in await connection.execute(statement)}


async def _alive(connection: AsyncConnection, table: Table, ids: Collection[Any], now_ns: int) -> set[Any]:
    """Which of these logins or keys are neither revoked nor over."""
    if not ids:
        return set()
    lasts = or_(table.c.expires_ns.is_(None), table.c.expires_ns > now_ns)
    statement = select(table.c.id).where(table.c.id.in_(ids), table.c.revoked_ns.is_(None), lasts)
    return set((await connection.execute(statement)).scalars())


def _by_now(guest: Guest, role: str | None) -> Guest | None:
    """An administrator's key without the scope shows what is its user's: `user_ids` of a ticket are never widened."""
    if role is None:
        return None
    if role == "admin" or guest.user_ids is not None:
        return guest
    return guest._replace(user_ids=frozenset({guest.user_id}))
