"""INSERT … ON CONFLICT, which SQLite and PostgreSQL both have and SQLAlchemy spells twice."""

from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import Insert as PostgresInsert
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import Insert as SqliteInsert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

Insert = SqliteInsert | PostgresInsert


def insert_into(dialect: str, table: Table) -> Insert:
    """The dialect's own INSERT, which has `excluded` and `on_conflict_do_update`."""
    return sqlite_insert(table) if dialect == "sqlite" else postgres_insert(table)


def insert_missing(dialect: str, table: Table) -> Insert:
    """Insert what isn't there yet, leave the rest alone."""
    return insert_into(dialect, table).on_conflict_do_nothing()
