"""Exports and imports: what may be asked, and what is told of them."""

from typing import Literal

from pydantic import BaseModel, Field

from services.api.inputs import CommaList, Query
from services.api.moments import Epoch, Moment
from shared.times import MAX_NS, MIN_NS

Format = Literal["csv", "ndjson", "parquet"]
Shape = Literal["wide", "long"]


class ExportQuery(Query):
    """A range of readings, as they were sent, of some devices or all."""

    devices: CommaList = Field(description="Of these devices, comma-separated; `*`: of all that are yours.")
    metrics: CommaList | None = Field(None, description="Only these, comma-separated. Default: all.")
    start: Moment = Field(MIN_NS, description="From here, inclusive. Default: the oldest.", validate_default=False)
    end: Moment = Field(MAX_NS, description="Up to here, exclusive. Default: the newest.", validate_default=False)
    format: Format = Field("csv", description="`parquet` needs the extra telemetrio[parquet] on the server.")
    shape: Shape | None = Field(
        None, description="Of CSV: `wide`, a column for each metric, or `long`, a row for each. Default: `wide`."
    )
    epoch: Epoch | None = Field(None, description="Times as integers in this unit, rounded down.")


class ImportQuery(Query):
    """How a file is taken."""

    from_row: int = Field(1, ge=1, le=10**12, description="Rows before this one are left out: they are taken already.")


class ImportProblem(BaseModel):
    row: int = Field(description="From 1; the header of a CSV, and blank lines, don't count.")
    outcome: Literal["refused", "partly"] = Field(description="`partly`: its other metrics were taken.")
    code: str
    message: str


class ImportReport(BaseModel):
    """What became of each row."""

    rows: int = Field(description="How many rows were read.")
    accepted: int = Field(description="So many are on disk at ingest, and on their way to the store.")
    refused: int
    partly: int = Field(description="So many of the accepted lack a metric or more.")
    taken: int = Field(description="Everything up to this row is on disk or refused.")
    codes: dict[str, int] = Field(description="How many problems of each kind there were.")
    problems: list[ImportProblem] = Field(description="The first 1,000 of them.")
    problems_left_out: int
