"""The relational database: whether it is there, and whether its tables are those of this version."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncEngine

from shared.database import migrations
from telemetrio.doctor.finding import Finding

_UPGRADE: Final = "telemetrio db upgrade (every start of ingest and api does it, too)"


async def check_migrations(engine: AsyncEngine) -> Sequence[Finding]:
    """Raises what the database raises."""
    if _missing(engine):
        means = "nothing has run here yet, or TELEMETRIO_DATA_DIR is another one"
        return [Finding("migrations", f"There is no database at {engine.url.database}", means, _UPGRADE)]
    async with engine.connect() as connection:
        at = await connection.run_sync(_version)
    return judge(at, _versions())


def judge(at: str | None, versions: Sequence[str]) -> Sequence[Finding]:
    """`at`: the database's version, None before the first; `versions`: all that we know, oldest first."""
    if at == versions[-1]:
        return []
    if at is not None and at not in versions:
        found = f"The database is at version {at}, which this program does not know: it knows {versions[-1]}"
        means = "a newer program was here: this one might write what that one misunderstands"
        return [Finding("migrations", found, means, "run the version of telemetrio that the others run")]
    found = f"The database is at version {at or 'none'}, this program needs {versions[-1]}"
    return [Finding("migrations", found, "the api answers 503 until it is brought up to date", _UPGRADE)]


def _missing(engine: AsyncEngine) -> bool:
    """Whether to ask would make an empty file."""
    return engine.dialect.name == "sqlite" and not Path(engine.url.database or "").exists()


def _version(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _versions() -> Sequence[str]:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    return [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()][::-1]
