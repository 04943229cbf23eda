"""What the guard works with: the secret, the limits, the passwords, the clock. One for each app."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, cast

from quart import current_app

from services.api.accounts.passwords import Passwords
from services.api.ratelimit import RateLimit, Recent, Slowdown
from services.api.settings import ApiSettings

KEY: Final = "telemetrio_door"
# an office behind one address, or a person with several accounts
_ACCOUNTS_PER_ADDRESS: Final = 3


@dataclass(frozen=True, slots=True)
class Limits:
    """`requests`: of a caller to a route. The others are of wrong passwords.

    `addresses`: from one. `tries`: from one, for an account or a device. `accounts`: for one from anywhere, which only
    slows down: somebody else's attempts must lock nobody out.
    """

    requests: RateLimit
    addresses: RateLimit
    tries: RateLimit
    accounts: Slowdown


@dataclass(frozen=True, slots=True)
class Door:
    """`open`: everybody is the local admin. `now_ns` is the time of day, `moment_s` only ever goes forward.

    `recent`: keys and sessions that were good of late.
    """

    open: bool
    secret: str
    trusted_hops: int
    limits: Limits
    passwords: Passwords
    recent: Recent = field(default_factory=Recent)
    now_ns: Callable[[], int] = time.time_ns
    moment_s: Callable[[], float] = time.monotonic
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep

    @property
    def now_s(self) -> float:
        return self.now_ns() / 1e9


def make_door(settings: ApiSettings, secret: str) -> Door:
    """Without a secret one is made that lasts as long as the process."""
    per_min = settings.logins_per_min
    limits = Limits(
        RateLimit(settings.requests_per_s, settings.request_burst),
        RateLimit(per_min * _ACCOUNTS_PER_ADDRESS / 60, max(1, round(per_min * _ACCOUNTS_PER_ADDRESS))),
        RateLimit(per_min / 60, max(1, round(per_min))),
        Slowdown(per_min / 60, max(1, round(per_min))),
    )
    given = secret or settings.secret or secrets.token_urlsafe(48)
    return Door(settings.auth == "open", given, settings.trusted_hops, limits, Passwords())


def door() -> Door:
    """That of the app that serves this request."""
    return cast("Door", current_app.extensions[KEY])
