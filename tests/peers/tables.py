"""SQLite files with the newest tables and nothing in them: a copy costs a tenth of the migrations."""

import asyncio
import tempfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from shared.database.engine import open_engine
from shared.database.migrations.upgrade import upgrade


def file_with_tables(file: Path) -> str:
    """Its URL; it is made unless it is there."""
    if not file.exists():
        file.write_bytes(_migrated())
    return f"sqlite+aiosqlite:///{file}"


async def bring_up_to_date(url: str) -> None:
    """All tables, and nothing in them."""
    engine = open_engine(url)
    await upgrade(engine)
    await engine.dispose()


@cache
def _migrated() -> bytes:
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(1) as elsewhere:  # a loop may run here
        file = Path(folder, "telemetrio.db")
        elsewhere.submit(asyncio.run, bring_up_to_date(f"sqlite+aiosqlite:///{file}")).result()
        return file.read_bytes()
