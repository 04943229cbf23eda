"""What an operator does first, beside a running system or before it: migrate, add users and keys, set passwords."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple, TypeVar

import asyncpg  # type: ignore[import-untyped] # ships no types; only its exceptions are named
import click
from alembic.util import CommandError
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import IntegrityError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from services.api.accounts import queries
from services.api.accounts.passwords import Passwords
from services.api.accounts.schemas import email_key
from services.api.accounts.tokens import new_key
from services.api.apikeys.queries import add_key as insert_key
from services.api.apikeys.routes import key_row
from services.api.apikeys.schemas import NewKey
from services.api.audit.queries import Event, note
from services.api.auth import LOCAL_ADMIN
from services.api.credentials.queries import add_credential, delete_credential
from services.api.credentials.schemas import NewCredential
from services.api.devices.changes import add_device as insert_device
from services.api.devices.schemas import NewDevice
from services.api.dynsec.commands import Account
from services.api.errors import ApiError, invalid
from services.api.users.schemas import NewUser, PasswordSet
from shared.database.engine import open_engine
from shared.database.migrations.upgrade import upgrade
from shared.database.registry import ensure_local_admin
from shared.passwords import hash_password, new_password
from shared.process import ExitCode, Refusal
from shared.settings import ServiceSettings, read_settings
from telemetrio.enrolment import Proof, enrol
from telemetrio.settings import refuse_unknown

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


class Wish(NamedTuple):
    """A key to be made."""

    email: str
    name: str
    scopes: list[str]
    days: float | None


class Enrolled(NamedTuple):
    """A device to be added. `owner`: an address; empty: the local admin."""

    device_id: str
    name: str
    profile: str
    owner: str
    credential: str


def migrate(**flags: Any) -> None:
    """Bring the relational database to the newest version."""

    async def nothing_more(_engine: AsyncEngine) -> None:
        return

    _run(nothing_more, flags)


def add_user(email: str, name: str, role: str, **flags: Any) -> int:
    """The new user's id; asks for the password."""
    password = ask_password()
    new = _checked(NewUser, {"email": email, "name": name, "role": role, "password": password})

    async def work(engine: AsyncEngine) -> int:
        row = {"email": new.email, "name": new.name or new.email.partition("@")[0], "role": new.role}
        hashed = await Passwords().hash(password)
        try:
            made = await queries.add_user(engine, {**row, "password_hash": hashed, "created_ns": time.time_ns()})
        except IntegrityError as error:
            raise Refusal(f"there is a user with the address {new.email}", ExitCode.WRONG_SETTINGS) from error
        await _note(engine, "user_added", new.email)
        return int(made["id"])

    return _run(work, flags)


def set_password(email: str, **flags: Any) -> None:
    """Asks for it; every session of the user ends."""
    password = ask_password()
    _checked(PasswordSet, {"password": password})

    async def work(engine: AsyncEngine) -> None:
        user_id = await _user_id(engine, email)
        new = queries.NewHash(await Passwords().hash(password))
        await queries.set_password(engine, user_id, new, time.time_ns())
        await _note(engine, "password_set", f"user {user_id}")

    _run(work, flags)


def add_key(wish: Wish, **flags: Any) -> str:
    """The key itself, which nobody can see again."""
    sent: dict[str, Any] = {"name": wish.name, "scopes": wish.scopes, "expires_in_days": wish.days}
    new = _checked(NewKey, sent)

    async def work(engine: AsyncEngine) -> str:
        user_id, key = await _user_id(engine, wish.email), new_key()
        row = await insert_key(engine, key_row(new, key, user_id, time.time_ns()))
        await _note(engine, "key_added", f"key {row['id']} {row['hint']} {row['scopes']}")
        return key

    return _run(work, flags)


def add_device(wish: Enrolled, **flags: Any) -> Proof:
    """A device, if there is none of this id, and a credential for it, which nobody can see again."""
    name = wish.name or wish.device_id
    device = _checked(NewDevice, {"device_id": wish.device_id, "name": name, "profile": wish.profile})
    credential = _checked(NewCredential, {"name": wish.credential}).name

    async def work(engine: AsyncEngine) -> Proof:
        owner = await _user_id(engine, wish.owner) if wish.owner else LOCAL_ADMIN.user_id
        row = {**device.model_dump(include={"device_id", "name", "profile", "disabled"}), "user_id": owner}
        password, now_ns = new_password(), time.time_ns()
        kept = {"name": credential, "password_hash": hash_password(password), "created_ns": now_ns}
        try:
            await insert_device(engine, row, {"user_id": owner}, now_ns)
            disabled = await add_credential(engine, device.device_id, None, kept)
        except ApiError as error:
            raise Refusal(error.message, ExitCode.WRONG_SETTINGS) from error
        try:
            proof = await enrol(Account(device.device_id, credential, disabled), password, flags)
        except Refusal:
            await delete_credential(engine, device.device_id, None, credential)
            raise
        await _note(engine, "device_added", f"{device.device_id} {credential}")
        return proof

    return _run(work, flags)


def ask_password() -> str:
    """From the keyboard, twice and unseen, or the first line of a pipe; never from the arguments, which others see."""
    if sys.stdin.isatty():
        typed: str = click.prompt("Password", hide_input=True, confirmation_prompt=True)
        return typed
    return sys.stdin.readline().rstrip("\r\n")


def _checked(model: type[M], value: dict[str, Any]) -> M:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise Refusal(invalid(error).message, ExitCode.WRONG_SETTINGS) from error


async def _user_id(engine: AsyncEngine, email: str) -> int:
    try:
        user = await queries.user_by_email(engine, email_key(email))
    except ValueError as error:
        raise Refusal(f"{email} {error}", ExitCode.WRONG_SETTINGS) from error
    if user is None:
        raise Refusal(f"there is no user with the address {email}", ExitCode.WRONG_SETTINGS)
    return int(user["id"])


async def _note(engine: AsyncEngine, event: str, subject: str) -> None:
    await note(engine, Event(time.time_ns(), None, event, subject, "command line", "ok"))


def _run(work: Callable[[AsyncEngine], Awaitable[T]], flags: dict[str, Any]) -> T:
    refuse_unknown()
    settings = read_settings(ServiceSettings, **flags)
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    try:
        return asyncio.run(_opened(settings.database, work))
    except (SQLAlchemyError, OSError, asyncpg.PostgresError, CommandError) as error:
        raise Refusal(f"TELEMETRIO_DATABASE_URL: the database can't be used: {error}", ExitCode.DIED) from error


async def _opened(url: str, work: Callable[[AsyncEngine], Awaitable[T]]) -> T:
    engine = open_engine(url)
    try:
        await upgrade(engine)
        async with engine.begin() as connection:
            await ensure_local_admin(connection, time.time_ns())
        return await work(engine)
    finally:
        await engine.dispose()
