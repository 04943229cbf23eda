"""The first login: with `auth = required` and nobody who could log in, the local admin gets a password for one time."""

import secrets

from sqlalchemy import case, func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from services.api.accounts.passwords import Passwords, one_time_password
from services.api.auth import LOCAL_ADMIN
from shared.database.tables import users

EMAIL = "admin@localhost"


async def first_password(engine: AsyncEngine) -> tuple[str, str] | None:
    """(address, password) to be shown once; None if somebody can log in already. Of several processes one gets it."""
    anybody = select(users.c.id).where(users.c.password_hash.is_not(None)).limit(1)
    async with engine.connect() as connection:
        if (await connection.execute(anybody)).first() is not None:
            return None
    password = one_time_password()
    taken = select(users.c.id).where(users.c.email == EMAIL).exists()
    row = {
        "password_hash": await Passwords().hash(password),
        "must_change": True,
        "role": "admin",
        "disabled": False,
        "email": func.coalesce(users.c.email, case((taken, f"admin-{secrets.token_hex(4)}@localhost"), else_=EMAIL)),
    }
    # what the statement itself reads may be older than what another process has just written: so the row is asked again
    nobody = (users.c.id == LOCAL_ADMIN.user_id) & users.c.password_hash.is_(None) & ~anybody.exists()
    async with engine.begin() as connection:
        found = await connection.execute(update(users).where(nobody).values(**row).returning(users.c.email))
        email = found.scalar_one_or_none()
    return None if email is None else (email, password)


def told(email: str, password: str) -> str:
    """The line that shows it, for standard output and not for the log: logs are collected and kept."""
    return f"login {email} {password}   (for one login: another password is asked for then)\n"
