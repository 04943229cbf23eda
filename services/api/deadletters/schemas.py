"""Dead letters: what may be asked, and what is told."""

from typing import Literal

from pydantic import BaseModel, Field

from services.api.inputs import CommaList, Page

Kind = Literal["message", "part", "reading", "shed"]


class LettersQuery(Page):
    """A page of dead letters, the newest first."""

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
