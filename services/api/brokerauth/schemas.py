"""What EMQX 5 asks, as docs/http.md has it configured. What it doesn't know of a client it leaves out."""

from typing import Literal

from pydantic import BaseModel

Result = Literal["allow", "deny", "ignore"]


class Entry(BaseModel):
    """Somebody connects."""

    username: str = ""
    clientid: str = ""
    password: str = ""
    peerhost: str = ""


class Deed(BaseModel):
    """Somebody who came in publishes, or subscribes to a filter."""

    username: str = ""
    topic: str
    action: Literal["publish", "subscribe"]
