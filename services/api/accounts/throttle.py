"""Slower for those who guess: by the address they come from, and by the account they try from there.

Attempts on one account from many addresses are answered later and later, and none is refused for them: whoever has the
right password gets in, whatever others try elsewhere.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from services.api.addresses import neighbourhood
from services.api.audit.records import came_from
from services.api.database import DATABASE_AWAY
from services.api.door import door
from services.api.errors import Away, TooMany


class Attempt:
    """One try at a password. Right ones are taken back: only wrong ones count."""

    def __init__(self, email: str = "") -> None:
        here = door()
        where = neighbourhood(came_from())
        self._account = "" if here.open else email
        self._taken = [] if here.open else [(here.limits.addresses, where)]
        if self._account:
            self._taken.append((here.limits.tries, f"{where} {email}"))

    async def count(self) -> None:
        """Before the password is looked at, so that many at once count, too; raises TooMany."""
        here = door()
        for place, (limit, key) in enumerate(self._taken):
            wait_s = limit.take(key, here.moment_s())
            if wait_s:
                self._give_back(place)
                raise TooMany("Too many attempts: wait a little", "too_many_attempts", wait_s)
        if self._account:
            delay_s = here.limits.accounts.take(self._account, here.moment_s())
            if delay_s:
                await here.pause(delay_s)

    @contextmanager
    def judged(self) -> Iterator[None]:
        """While the password is looked at. Where that can't be done just now nobody has guessed: it doesn't count."""
        try:
            yield
        except (Away, *DATABASE_AWAY):
            self.uncount()
            raise

    def uncount(self) -> None:
        """It shall not count after all."""
        self._give_back(len(self._taken))
        if self._account:
            door().limits.accounts.give_back(self._account)

    def _give_back(self, first: int) -> None:
        for limit, key in self._taken[:first]:
            limit.give_back(key)


def count_refresh() -> None:
    """By address alone; refresh tokens can't be guessed, so this only keeps the database quiet. Raises TooMany."""
    here = door()
    key = ("refresh", neighbourhood(came_from()))
    wait_s = 0.0 if here.open else here.limits.requests.take(key, here.moment_s())
    if wait_s:
        raise TooMany("Too many requests: wait a little", "rate_limited", wait_s)
