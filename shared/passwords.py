"""Passwords of devices: made here, never chosen by people, and what is kept of them.

256 random bits can't be guessed however quick the check is, so one round of a salted hash is enough; a slow one would
keep a fleet that reconnects waiting. Kept as Mosquitto's password file has it: `$7$rounds$salt$hash`, which is PBKDF2
with HMAC-SHA-512.
"""

import secrets
from base64 import b64decode, b64encode
from hashlib import pbkdf2_hmac
from hmac import compare_digest
from typing import Final

_BYTES: Final = 32
_SALT_BYTES: Final = 12
_KIND: Final = "7"


def new_password() -> str:
    return secrets.token_urlsafe(_BYTES)


def hash_password(password: str) -> str:
    salt = secrets.token_bytes(_SALT_BYTES)
    return f"${_KIND}$1${b64encode(salt).decode()}${b64encode(_derive(password.encode(), salt)).decode()}"


def password_matches(password: bytes, kept: str) -> bool:
    """Whether `kept` is what hash_password made of it. Raises ValueError for what it never made."""
    empty, kind, rounds, salt, derived = kept.split("$")
    if (empty, kind, rounds) != ("", _KIND, "1"):
        raise ValueError("a password hash of another kind")
    return compare_digest(_derive(password, b64decode(salt)), b64decode(derived))


def _derive(password: bytes, salt: bytes) -> bytes:
    return pbkdf2_hmac("sha512", password, salt, 1)
