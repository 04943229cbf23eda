"""The newest values of each device: one row, so that asking for them never reads history."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, case, func

from shared.database.tables import device_status, latest
from shared.database.upsert import insert_into


def push_latest(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Merge rows of table `latest`: newer data wins metric by metric, late data never moves anything back."""
    if not rows:
        return
    dialect = connection.dialect.name
    insert = insert_into(dialect, latest)
    new, old = insert.excluded, latest.c
    newer = new.ts_ns >= old.ts_ns
    same = and_(new.user_id == old.user_id, new.measurement == old.measurement)
    merged: ColumnElement[Any] = (
        func.json_patch(old["values"], new["values"]) if dialect == "sqlite" else old["values"].op("||")(new["values"])
    )
    values = case((and_(newer, same), merged), (newer, new["values"]), else_=old["values"])
    statement = insert.on_conflict_do_update(
        index_elements=[latest.c.device_id],
        set_={
            "values": values,
            "user_id": case((newer, new.user_id), else_=old.user_id),
            "measurement": case((newer, new.measurement), else_=old.measurement),
            "ts_ns": case((newer, new.ts_ns), else_=old.ts_ns),
            "seen_ns": case((new.seen_ns > old.seen_ns, new.seen_ns), else_=old.seen_ns),
        },
    )
    connection.execute(statement, rows)


def push_status(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Rows of table `device_status`; an older word never replaces a newer one."""
    if not rows:
        return
    insert = insert_into(connection.dialect.name, device_status)
    new = insert.excluded
    statement = insert.on_conflict_do_update(
        index_elements=[device_status.c.device_id],
        set_={"user_id": new.user_id, "status": new.status, "ts_ns": new.ts_ns},
        where=new.ts_ns >= device_status.c.ts_ns,
    )
    connection.execute(statement, rows)
