"""Migrations on real databases: from nothing and back, all or nothing, and the same as the tables in the code."""

import asyncio
import sqlite3
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database.engine import open_engine, unhurried
from shared.database.migrations.upgrade import downgrade, upgrade
from shared.database.tables import metadata
from tests.peers.postgres import Cluster


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[AsyncEngine]:
    opened = open_engine(f"sqlite+aiosqlite:///{tmp_path / 'telemetrio.db'}")
    yield opened
    await opened.dispose()


async def tables(engine: AsyncEngine) -> set[str]:
    async with engine.connect() as connection:
        return set(await connection.run_sync(lambda each: inspect(each).get_table_names()))


def differences(connection: Connection) -> list[Any]:
    context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
    return list(compare_metadata(context, metadata))


async def test_migrations_make_what_the_code_expects(engine: AsyncEngine) -> None:
    """No table, column, type, index or constraint differs from shared/database/tables.py."""
    await upgrade(engine)
    assert await tables(engine) == {*metadata.tables, "alembic_version"}
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []


async def test_the_comparison_sees_a_difference(engine: AsyncEngine) -> None:
    """A column more in the database, and it is told."""
    await upgrade(engine)
    async with engine.begin() as connection:
        await connection.exec_driver_sql("ALTER TABLE items ADD COLUMN stray INTEGER")
        await connection.exec_driver_sql("DROP INDEX ix_items_user_id_status")
        assert {each[0] for each in await connection.run_sync(differences)} == {"remove_column", "add_index"}


async def test_down_to_nothing_and_up_again(engine: AsyncEngine) -> None:
    """The way back is whole, and can be gone again."""
    await upgrade(engine)
    await downgrade(engine, "base")
    assert await tables(engine) == {"alembic_version"}
    await upgrade(engine)
    assert set(metadata.tables) < await tables(engine)


async def test_an_upgrade_of_what_is_new_enough_changes_nothing(engine: AsyncEngine) -> None:
    """Every start does it."""
    for _ in range(3):
        await upgrade(engine)
    async with engine.begin() as connection:
        versions = (await connection.exec_driver_sql("SELECT count(*) FROM alembic_version")).scalar_one()
    assert versions == 1


async def test_an_upgrade_that_fails_leaves_nothing_behind(engine: AsyncEngine) -> None:
    """All or nothing: a table that stands in the way takes the earlier ones back with it."""
    async with engine.begin() as connection:
        await connection.exec_driver_sql("CREATE TABLE items (mine TEXT)")
    with pytest.raises(SQLAlchemyError, match="items"):
        await upgrade(engine)
    assert await tables(engine) == {"items"}
    async with engine.begin() as connection:
        await connection.exec_driver_sql("DROP TABLE items")
    await upgrade(engine)
    assert set(metadata.tables) < await tables(engine)


async def test_two_upgrades_at_once_on_one_loop(tmp_path: Path) -> None:
    """One waits for the other, and finds nothing to do."""
    engines = [open_engine(f"sqlite+aiosqlite:///{tmp_path / 'telemetrio.db'}") for _ in range(3)]
    await asyncio.gather(*map(upgrade, engines))
    assert set(metadata.tables) < await tables(engines[0])
    for engine in engines:
        await engine.dispose()


PROGRAM = """
import asyncio, sys
from shared.database.engine import open_engine, unhurried
from shared.database.migrations.upgrade import upgrade

async def main():
    engine = open_engine(sys.argv[1])
    print("ready", flush=True)
    sys.stdin.readline()
    await upgrade(engine)
    await engine.dispose()

asyncio.run(main())
"""


async def test_a_start_waits_for_a_writer_on_a_new_database(engine: AsyncEngine) -> None:
    """SQLite answers "locked" at once, whatever its timeout, where a log is asked for while another process writes."""
    assert engine.url.database is not None
    with closing(sqlite3.connect(engine.url.database, isolation_level=None)) as other:
        other.execute("CREATE TABLE theirs (value)")
        other.execute("BEGIN IMMEDIATE")
        other.execute("INSERT INTO theirs VALUES (1)")
        asyncio.get_running_loop().call_later(0.2, other.execute, "COMMIT")
        await upgrade(engine)
    assert set(metadata.tables) < await tables(engine)


async def test_two_processes_that_start_at_once(engine: AsyncEngine) -> None:
    """Both come up, on a database that neither has made before."""
    url = engine.url.render_as_string(hide_password=False)
    started = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", PROGRAM, url, stdin=PIPE, stdout=PIPE) for _ in "ab"
    ]
    try:
        async with asyncio.timeout(30):
            for process in started:
                assert process.stdout is not None
                assert await process.stdout.readline() == b"ready\n"
            await asyncio.gather(*(process.communicate(b"go\n") for process in started))
    finally:
        for process in started:
            if process.returncode is None:
                process.kill()
                await process.wait()
    assert [process.returncode for process in started] == [0, 0]
    assert set(metadata.tables) < await tables(engine)


async def filled_at_0005(engine: AsyncEngine) -> None:
    """Two devices of two users, one with a credential, and a record of somebody who is gone."""
    await upgrade(engine, "0005")
    async with engine.begin() as connection:
        for statement in (
            "INSERT INTO users (id, name, role, created_ns) VALUES (1, 'admin', 'admin', 1), (4, 'Ann', 'user', 2)",
            "INSERT INTO devices (id, device_id, name, user_id, profile, claimed, disabled, created_ns) "  # noqa: ISC004
            "VALUES (1, 'd1', 'D', 4, 'open', false, true, 3), (2, 'd2', 'E', 1, 'open', true, false, 3)",
            "INSERT INTO device_credentials (id, device, name, password_hash, created_ns) VALUES (1, 1, 'a', 'h', 4)",
            "INSERT INTO items (user_id, name, description, status, quantity, created_ns) VALUES (4, '', '', '', 1, 5)",
            "INSERT INTO audit (ts_ns, user_id, event, subject, address, outcome) VALUES (6, 9, 'login', '', '', 'ok')",
        ):
            await connection.exec_driver_sql(statement)


async def test_tables_that_are_made_anew_keep_their_rows_and_what_refers_to_them(engine: AsyncEngine) -> None:
    """Up and down again: users and devices as they were, no credential gone with the table that it belonged to."""
    await filled_at_0005(engine)

    async def kept() -> list[Any]:
        found: list[Any] = []
        async with engine.connect() as connection:
            for table in ("users", "devices", "device_credentials", "items"):
                rows = (await connection.exec_driver_sql(f"SELECT * FROM {table} ORDER BY id")).mappings()  # noqa: S608
                found += [{name: row[name] for name in row if name != "needs_credential"} for row in rows]
        return found

    before = await kept()
    await upgrade(engine)
    assert await kept() == before
    async with engine.connect() as connection:
        assert await connection.run_sync(differences) == []
        closed = await connection.exec_driver_sql("SELECT id, needs_credential FROM devices ORDER BY id")
        assert [tuple(row) for row in closed] == [(1, 1), (2, 0)]
    await downgrade(engine, "0005")
    assert await kept() == before
    await upgrade(engine)
    assert await kept() == before


async def test_the_id_of_somebody_who_is_gone_is_never_given_again(engine: AsyncEngine) -> None:
    """Neither of a user nor of a device; records name who did something long after the account is deleted."""
    await filled_at_0005(engine)
    await upgrade(engine)
    device = (
        "INSERT INTO devices (device_id, name, user_id, profile, disabled, created_ns) VALUES (?, 'n', 1, 'open', 0, 1)"
    )
    async with engine.begin() as connection:
        added = await connection.exec_driver_sql("INSERT INTO users (name, created_ns) VALUES ('b', 1) RETURNING id")
        assert added.scalar_one() == 10  # the log tells of user 9
        await connection.exec_driver_sql("DELETE FROM users WHERE id = 10")
        added = await connection.exec_driver_sql("INSERT INTO users (name, created_ns) VALUES ('c', 1) RETURNING id")
        assert added.scalar_one() == 11
        await connection.exec_driver_sql("DELETE FROM devices WHERE id = 2")
        made = await connection.exec_driver_sql(f"{device} RETURNING id", ("d3",))
        assert made.scalar_one() == 3


async def test_a_migration_leaves_foreign_keys_on(engine: AsyncEngine) -> None:
    """They are off while tables are made anew, and no longer: what refers to nothing is refused afterwards."""
    await filled_at_0005(engine)
    await upgrade(engine)
    async with engine.connect() as connection:
        assert (await connection.exec_driver_sql("PRAGMA foreign_keys")).scalar_one() == 1
        with pytest.raises(SQLAlchemyError, match="FOREIGN KEY"):
            await connection.exec_driver_sql("DELETE FROM users WHERE id = 4")


async def test_users_with_one_address_are_named_with_the_mend(engine: AsyncEngine) -> None:
    """Capitals and blanks aside; nothing is changed until somebody has chosen, then all are spelled alike."""
    await upgrade(engine, "0002")
    people = "INSERT INTO users (id, name, email, created_ns) VALUES (1, 'a', 'Ann@X.org', 1), (2, 'b', NULL, 1)"
    async with engine.begin() as connection:
        await connection.exec_driver_sql(f"{people}, (5, 'c', ' ann@x.org', 1), (6, 'd', 'D@x.org', 1)")
    with pytest.raises(CommandError, match=r"users 1, 5: ann@x\.org.*UPDATE users SET email"):
        await upgrade(engine)
    async with engine.begin() as connection:
        version = (await connection.exec_driver_sql("SELECT version_num FROM alembic_version")).scalar_one()
        assert version == "0002"
        await connection.exec_driver_sql("UPDATE users SET email = 'c@x.org' WHERE id = 5")
    await upgrade(engine)
    async with engine.connect() as connection:
        found = (await connection.exec_driver_sql("SELECT email FROM users ORDER BY id")).scalars().all()
    assert found == ["ann@x.org", None, "c@x.org", "d@x.org"]


@pytest.mark.peer("postgres")
async def test_a_migration_may_take_longer_than_a_question(shared_cluster: Cluster) -> None:
    """A statement is given up after its time; the engine that migrations get waits for it."""
    engine = open_engine(shared_cluster.url, 0.2)
    async with unhurried(engine) as patient, patient.connect() as connection:
        await connection.execute(text("SELECT pg_sleep(0.5)"))
    async with engine.connect() as connection:
        with pytest.raises(TimeoutError):
            await connection.execute(text("SELECT pg_sleep(10)"))
    await engine.dispose()
