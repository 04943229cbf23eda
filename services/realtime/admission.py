"""Who may have a live stream, and whose data it shows: with `auth = required` whoever brings a ticket of the api."""

import secrets
import time
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qs

from services.realtime.selection import UserIds
from shared.gate import Scope
from shared.tickets import Used, verify

_LONGEST_QUERY: Final = 8_192


class Admission:
    """`secret` None: the door is open. An empty one opens it for nobody: it could be guessed."""

    def __init__(self, secret: str | None, now_s: Callable[[], float] = time.time) -> None:
        self._secret = secret if secret is None else secret or secrets.token_urlsafe(48)
        self._used = Used()
        self._now_s = now_s

    def admit(self, ticket: str | None) -> UserIds:
        """Whose devices the stream shows, None: everybody's; raises BadTicket. A ticket is used up by this."""
        if self._secret is None:
            return None
        now_s = self._now_s()
        seen = verify(self._secret, "ws", ticket, now_s)
        self._used.use(seen, now_s)
        return seen.tenants


def ticket_of(scope: Scope) -> str | None:
    """`?ticket=…` of a handshake; given twice it is none."""
    query = scope.get("query_string", b"")
    if len(query) > _LONGEST_QUERY:
        return None
    given = parse_qs(query.decode("latin1")).get("ticket", [])
    return given[0] if len(given) == 1 else None
