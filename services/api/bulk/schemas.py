"""Bulk CSV: what may be asked, and the report."""

from typing import Literal

from pydantic import BaseModel, Field

from services.api.inputs import Query

Outcome = Literal["added", "changed", "unchanged", "refused"]


class BulkQuery(Query):
    dry_run: bool = Field(default=False, description="Report what would become of each row, and change nothing.")


class Reported(BaseModel):
    row: int = Field(description="As a spreadsheet counts: the header is row 1.")
    device_id: str
    outcome: Outcome
    code: str = Field(description="Empty, or why it was refused.")
    message: str


class BulkReport(BaseModel):
    """What became of each row. A refused one keeps no other from being taken."""

    rows: int
    added: int
    changed: int
    unchanged: int
    refused: int
    dry_run: bool
    report: list[Reported]
