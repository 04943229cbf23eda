"""Tickets: what may be asked, and what is told."""

from pydantic import BaseModel, Field

from shared.tickets import Purpose


class Wish(BaseModel):
    purpose: Purpose = Field("ws", description="`ws`: for /ws and /socket.io, 30 s; `sse`: for /sse, 15 min.")


class LiveTicket(BaseModel):
    ticket: str = Field(description="For `?ticket=…`, or Socket.IO's `auth: {ticket}`.")
    purpose: Purpose
    expires_in: int = Field(description="Seconds until it opens nothing any more; an open stream goes on.")
