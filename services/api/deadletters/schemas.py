"""Dead letters: what may be asked, and what is told."""

from typing import Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, RootModel, model_validator

from services.api.inputs import CommaList, Int64, Page, Query, Text

MAX_AT_ONCE: Final = 10_000

Kind = Literal["message", "part", "reading", "shed"]


class LettersQuery(Page):
    """A page of dead letters, the newest first."""

    q: Text | None = Field(None, max_length=255, description="Only with this in device id, topic, code or detail.")
    code: CommaList | None = Field(None, description="Only these reasons, comma-separated.")
    device_id: CommaList | None = Field(None, description="Only of these devices, comma-separated.")
    kind: Kind | None = Field(None, description="Only of this kind.")


class Refused(BaseModel):
    path: str
    code: str


class Letter(BaseModel):
    """Something that could not be stored. Its payload stands in full (64 KiB at most) at `/raw`."""

    id: int
    kind: Kind
    code: str
    detail: str
    device_id: str | None
    topic: str
    received_at: str
    entries: int = Field(description="How many entries of the books it is; 0 for a part of an accepted message.")
    payload_bytes: int = Field(description="Length of the whole payload, even where less was kept.")
    sha256: str = Field(description="Of the whole payload.")
    payload_text: str = Field(description="Its first 2,000 characters, with U+FFFD for what is no UTF-8.")
    paths: list[Refused] = Field(description="The metrics that were refused.")


class Letters(BaseModel):
    data: list[Letter]
    total: int
    page: int
    per_page: int


class CodesQuery(Query):
    """Which letters are counted."""

    device_id: CommaList | None = Field(None, description="Only of these devices, comma-separated.")


class Code(BaseModel):
    code: str
    letters: int
    devices: int = Field(description="How many devices they are of.")
    newest_at: str


class Codes(RootModel[list[Code]]):
    """The most frequent first."""


class Chosen(BaseModel):
    """Which dead letters: by their ids, or all that a filter finds, up to 10,000 at once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ids: list[Int64] | None = Field(None, min_length=1, max_length=MAX_AT_ONCE, description="These, and no others.")
    code: list[Text] | None = Field(None, min_length=1, max_length=100, description="All with one of these reasons.")
    device_id: list[Text] | None = Field(None, min_length=1, max_length=100, description="All of these devices.")
    kind: Kind | None = Field(None, description="All of this kind.")
    q: Text | None = Field(None, min_length=1, max_length=255, description="All that a search for this finds.")

    @model_validator(mode="after")
    def _either(self) -> Self:
        by_filter = any(each is not None for each in (self.code, self.device_id, self.kind, self.q))
        if (self.ids is not None) == by_filter:
            raise ValueError("give either ids, or at least one of code, device_id, kind and q")
        return self


class Commanded(BaseModel):
    commanded: int = Field(description="How many letters were found and handed to their workers.")
