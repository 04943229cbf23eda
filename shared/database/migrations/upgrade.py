"""Brings a database to the newest version, before anything else opens it; safe when two processes start at once."""

from pathlib import Path
from typing import Any, Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

_LOCK: Final = 7_355_608  # any number, the same in every process that migrates this database


async def upgrade(engine: AsyncEngine, revision: str = "head") -> None:
    """Run what is missing in one transaction (all or nothing), under an advisory lock where there is one."""
    await _run(engine, command.upgrade, revision)


async def downgrade(engine: AsyncEngine, revision: str) -> None:
    """The way back, for tests and for operators who have a backup."""
    await _run(engine, command.downgrade, revision)


async def _run(engine: AsyncEngine, run: Any, revision: str) -> None:
    async with engine.connect() as connection:
        try:
            await connection.run_sync(_migrate, run, revision)
            await connection.commit()
        finally:
            if engine.dialect.name == "sqlite":
                await connection.rollback()
                await connection.exec_driver_sql("PRAGMA foreign_keys=ON")


def _migrate(connection: Connection, run: Any, revision: str) -> None:
    begin(connection)
    run(_config(connection), revision)
    refuse_lost_rows(connection)


def begin(connection: Connection) -> None:
    """A transaction in which tables may change, and nobody else's migration runs."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    else:
        # a table is changed by making it anew: the rows that refer to the old one must not go with it
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def move(connection: Connection, revision: str) -> None:
    """Up or down to a revision, as part of the transaction that `begin` began."""
    now = revision_of(connection)
    if now != revision:
        down = now is not None and now > revision  # they are numbered
        (command.downgrade if down else command.upgrade)(_config(connection), revision)


def refuse_lost_rows(connection: Connection) -> None:
    """SQLite looks at references only when it is asked to, after `begin`."""
    if connection.dialect.name == "sqlite" and (lost := connection.exec_driver_sql("PRAGMA foreign_key_check").first()):
        raise CommandError(f"a row of {lost[0]} would refer to nothing in {lost[2]}")


def revision_of(connection: Connection) -> str | None:
    """Which migration was the last; None: there are no tables yet."""
    return MigrationContext.configure(connection).get_current_revision()


def newest_revision() -> str:
    """Of this code."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    return config
