"""The books of ingest, as they are told."""

from typing import Literal

from pydantic import BaseModel, Field


class Counters(BaseModel):
    """received = stored + spooled + dead_lettered + discarded, in entries; the rest is told beside it."""

    received: int
    stored: int
    spooled: int = Field(description="On disk here, on the way to the store.")
    dead_lettered: int
    discarded: int
    redriven: int
    messages: int
    metrics_refused: int
    duplicates: int
    overwritten: int
    ignored: int
    status: int
    balanced: bool


class Source(Counters):
    """One ingest worker's books since its file was made (`epoch`)."""

    source: str
    epoch: str
    updated_at: str
    age_s: float = Field(description="How old these figures are.")


class Stage(BaseModel):
    """How long the readings of the last minute took.

    `device`: from their own time until they were on disk; `commit`: that alone; `store`: from there until the
    time-series store had them.
    """

    stage: Literal["device", "commit", "store"]
    p50_ms: float
    p99_ms: float
    n: int = Field(description="Samples: commits, or groups written to the store.")


class StagesOfSource(BaseModel):
    source: str
    epoch: str
    stages: list[Stage] = Field(description="Those of which there is anything to tell.")
    updated_at: str
    age_s: float = Field(description="How old these figures are.")


class Stages(BaseModel):
    sources: list[StagesOfSource]


class Books(BaseModel):
    sources: list[Source]
    total: Counters
