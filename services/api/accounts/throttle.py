"""Slower for those who guess: by the account they try and by the address they come from. Nobody is ever locked out."""

from services.api.addresses import neighbourhood
from services.api.audit.records import came_from
from services.api.door import door
from services.api.errors import TooMany


class Attempt:
    """One try at a password. Right ones are given back: only wrong ones count."""

    def __init__(self, email: str = "") -> None:
        here = door()
        self._taken = [(here.limits.addresses, neighbourhood(came_from()))]
        if email:
            self._taken.append((here.limits.accounts, email))
        if here.open:
            self._taken = []

    def count(self) -> None:
        """Before the password is looked at, so that many at once count, too; raises TooMany."""
        for place, (limit, key) in enumerate(self._taken):
            wait_s = limit.take(key, door().moment_s())
            if wait_s:
                self._give_back(place)
                raise TooMany("Too many attempts: wait a little", "too_many_attempts", wait_s)

    def succeeded(self) -> None:
        self._give_back(len(self._taken))

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
