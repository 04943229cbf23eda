"""Passwords: Argon2id in threads, never on the loop, and never more at once than the machine can bear."""

import asyncio
import secrets
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from services.api.errors import Away

T = TypeVar("T")

MIN_CHARACTERS: Final = 10
MAX_CHARACTERS: Final = 256
AT_ONCE: Final = 2
WAITING: Final = 32
# OWASP's first choice for machines without much memory: 19 MiB and some 20 ms of one core for each
_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_COMMON: Final = frozenset(
    {
        "0123456789",
        "0987654321",
        "1111111111",
        "1234567890",
        "12345678910",
        "123456789a",
        "1q2w3e4r5t",
        "1qaz2wsx3edc",
        "abcdefghij",
        "admin12345",
        "administrator",
        "changemenow",
        "iloveyou123",
        "letmein123",
        "password01",
        "password12",
        "password123",
        "password1234",
        "qwerty12345",
        "qwertyuiop",
        "secret1234",
        "telemetrio",
        "welcome1234",
    }
)


def flaw(password: str, *names: str) -> str | None:
    """Why nobody should have this password, to follow "Password: "; None for a good one."""
    if len(password) < MIN_CHARACTERS:
        return f"must have at least {MIN_CHARACTERS} characters"
    if len(password) > MAX_CHARACTERS:
        return f"may have at most {MAX_CHARACTERS} characters"
    plain = password.lower()
    if plain in _COMMON or len(set(plain)) < 4:
        return "is one of the first that are tried: choose a sentence"
    if any(name and name.lower() in (plain, plain.rstrip("0123456789!")) for name in names):
        return "must not be the name or the address"
    return None


def one_time_password() -> str:
    """80 bits, in groups that can be read out."""
    letters = "abcdefghjkmnpqrstuvwxyz23456789"
    return "-".join("".join(secrets.choice(letters) for _ in range(4)) for _ in range(4))


class Passwords:
    """Hashes `at_once` passwords, lets `waiting` more wait, and sends everybody else away for a moment."""

    def __init__(self, at_once: int = AT_ONCE, waiting: int = WAITING) -> None:
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="password")
        self._room = at_once + waiting

    async def hash(self, password: str) -> str:
        """Raises Away."""
        return await self._run(lambda: _HASHER.hash(_spelled(password)))

    async def verify(self, known: str | None, password: str) -> bool:
        """Whether it is the password of hash `known`; None, of nobody, takes as long. Raises Away."""
        if known is None:
            await self.hash(password)
            return False
        return await self._run(lambda: _matches(known, password))

    def stale(self, known: str) -> bool:
        """It was made with weaker figures than today's: hash the password again while it is at hand."""
        return _HASHER.check_needs_rehash(known)

    async def _run(self, work: Callable[[], T]) -> T:
        if self._room <= 0:
            raise Away("Too many are logging in just now", "busy")
        self._room -= 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        finally:
            self._room += 1


def _matches(known: str, password: str) -> bool:
    try:
        return _HASHER.verify(known, _spelled(password))
    except (VerificationError, InvalidHashError):
        return False


def _spelled(password: str) -> bytes:
    """One spelling for what looks the same: keyboards differ in how they send an umlaut."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
