"""Sessions, and what is asked of users and keys to let somebody in."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, and_, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from services.api.accounts.tokens import Refresh, Session, new_session
from shared.database.tables import api_keys, sessions, users

Row = Mapping[str, Any]

GRACE_NS: Final = 10 * 10**9
"""Two tabs that refresh at the same moment get the same token; after that an old one was stolen."""
_USED_NS: Final = 60 * 10**9


class Rotation(NamedTuple):
    """`successor` None: this token is worth nothing; `reused`: it was worth something once, and its family is ended."""

    successor: Refresh | None
    user: Row | None
    reused: bool = False


class NewHash(NamedTuple):
    """Of a password; `must_change`: it is good for one login."""

    password_hash: str
    must_change: bool = False


async def user_by_email(engine: AsyncEngine, email: str) -> Row | None:
    async with engine.connect() as connection:
        row = (await connection.execute(select(users).where(users.c.email == email))).mappings().first()
    return dict(row) if row is not None else None


async def user_by_id(engine: AsyncEngine, user_id: int) -> Row | None:
    async with engine.connect() as connection:
        row = (await connection.execute(select(users).where(users.c.id == user_id))).mappings().first()
    return dict(row) if row is not None else None


async def session_holder(engine: AsyncEngine, session: Session, now_ns: int) -> Row | None:
    """Asked for every request, so that a user who is disabled, or a session that is ended, ends at once."""
    statement = select(users.c.id, users.c.role, users.c.must_change).join(sessions, sessions.c.user_id == users.c.id)
    alive = and_(_alive(now_ns), sessions.c.id == session.id, users.c.id == session.user_id)
    async with engine.connect() as connection:
        row = (await connection.execute(statement.where(alive, users.c.disabled.is_(False)))).mappings().first()
    return dict(row) if row is not None else None


async def key_holder(engine: AsyncEngine, digest: str, now_ns: int) -> Row | None:
    """The key with its user's role; once a minute it is noted that it was used."""
    keys = api_keys.c
    alive = and_(
        keys.hash == digest,
        keys.revoked_ns.is_(None),
        or_(keys.expires_ns.is_(None), keys.expires_ns > now_ns),
        users.c.disabled.is_(False),
    )
    # who has no password, as accounts of programs have none, has none to change either
    must_change = and_(users.c.must_change, users.c.password_hash.is_not(None)).label("must_change")
    statement = select(keys.id, keys.user_id, keys.scopes, keys.last_used_ns, users.c.role, must_change)
    async with engine.connect() as connection:
        found = await connection.execute(statement.join(users, users.c.id == keys.user_id).where(alive))
        row = found.mappings().first()
        if row is not None and now_ns - (row["last_used_ns"] or 0) > _USED_NS:
            await connection.execute(update(api_keys).where(keys.id == row["id"]).values(last_used_ns=now_ns))
            await connection.commit()
    return dict(row) if row is not None else None


async def start_session(engine: AsyncEngine, user_id: int, now_ns: int, lifetime_ns: int) -> Refresh:
    """Begin one, and forget those of this user whose time is over."""
    made = Refresh(new_session(), 0)
    times = {"created_ns": now_ns, "rotated_ns": now_ns, "expires_ns": now_ns + lifetime_ns}
    old = and_(sessions.c.user_id == user_id, sessions.c.expires_ns <= now_ns)
    async with engine.begin() as connection:
        await connection.execute(delete(sessions).where(old))
        await connection.execute(insert(sessions).values(id=made.session, user_id=user_id, generation=0, **times))
    return made


async def rotate(engine: AsyncEngine, shown: Refresh, now_ns: int) -> Rotation:
    """Exchange a refresh token for its successor. Of two who do it at once one wins, and the other gets the same."""
    mine = sessions.c.id == shown.session
    onward = update(sessions).where(mine, _alive(now_ns), sessions.c.generation == shown.generation)
    async with engine.begin() as connection:
        moved = await connection.execute(onward.values(generation=shown.generation + 1, rotated_ns=now_ns))
        session = (await connection.execute(select(sessions).where(mine, _alive(now_ns)))).mappings().first()
        if session is None:
            return Rotation(None, None)
        holder = select(users).where(users.c.id == session["user_id"])
        user = dict((await connection.execute(holder)).mappings().one())
        if user["disabled"] or shown.generation > session["generation"]:
            return Rotation(None, user)
        just_before = shown.generation == session["generation"] - 1
        if moved.rowcount == 0 and not (just_before and now_ns - session["rotated_ns"] <= GRACE_NS):
            await connection.execute(update(sessions).where(mine).values(revoked_ns=now_ns))
            return Rotation(None, user, reused=True)
    return Rotation(Refresh(shown.session, session["generation"]), user)


async def end_session(engine: AsyncEngine, session: str, now_ns: int) -> int | None:
    """Whose it was; None if there was none to end."""
    ended = update(sessions).where(sessions.c.id == session, sessions.c.revoked_ns.is_(None))
    async with engine.begin() as connection:
        found = await connection.execute(ended.values(revoked_ns=now_ns).returning(sessions.c.user_id))
        user_id: int | None = found.scalar_one_or_none()
    return user_id


async def set_password(engine: AsyncEngine, user_id: int, new: NewHash, now_ns: int, *, spare: str = "") -> bool:
    """Ends every session of the user but `spare`; False if there is no such user."""
    others = (sessions.c.user_id == user_id) & (sessions.c.id != spare) & sessions.c.revoked_ns.is_(None)
    changed = update(users).where(users.c.id == user_id)
    async with engine.begin() as connection:
        found = await connection.execute(changed.values(**new._asdict()))
        await connection.execute(update(sessions).where(others).values(revoked_ns=now_ns))
        return found.rowcount > 0


async def renew_hash(engine: AsyncEngine, user_id: int, before: str, hashed: str) -> None:
    """The same password, hashed with today's figures; a new password that was set meanwhile stays."""
    mine = (users.c.id == user_id) & (users.c.password_hash == before)
    async with engine.begin() as connection:
        await connection.execute(update(users).where(mine).values(password_hash=hashed))


async def add_user(engine: AsyncEngine, row: Row) -> Row:
    """Raises IntegrityError if the address is taken."""
    async with engine.begin() as connection:
        return dict((await connection.execute(insert(users).values(**row).returning(*users.c))).mappings().one())


def _alive(now_ns: int) -> ColumnElement[bool]:
    return and_(sessions.c.revoked_ns.is_(None), sessions.c.expires_ns > now_ns)
