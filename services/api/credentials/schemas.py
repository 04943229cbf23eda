"""Credentials of a device: what may be sent, and what is told. A password is told once."""

from typing import Annotated

from pydantic import BaseModel, Field, RootModel, StringConstraints

CredentialName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class NewCredential(BaseModel):
    name: CredentialName = Field(description="To tell it from others, of this device alone.", examples=["2026"])


class Credential(BaseModel):
    name: str
    username: str = Field(description="As whom to connect: the device's id, on some brokers with `~` and the name.")
    created_at: str
    last_used_at: str | None


class MadeCredential(Credential):
    password: str = Field(description="Shown this once; only a hash of it is kept.")


class Credentials(RootModel[list[Credential]]):
    """The oldest first."""
