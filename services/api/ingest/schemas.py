"""The books of ingest, as they are told."""

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


class Books(BaseModel):
    sources: list[Source]
    total: Counters
