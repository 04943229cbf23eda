"""Accounts: what may be sent, and what is told."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, Field, ValidationInfo, field_validator

from services.api.accounts.passwords import flaw
from services.api.caller import Role
from services.api.inputs import Text
from shared.times import iso_ns

_ADDRESS: Final = re.compile(r"[^@\s]{1,64}@[^@\s]{1,185}")
LONGEST_PASSWORD: Final = 1_024


def email_key(text: str) -> str:
    """An address as it is kept, so that two that differ in capitals are one; raises ValueError."""
    email = text.strip().lower()
    if not _ADDRESS.fullmatch(email) or not email.isprintable():
        raise ValueError("is no address: write it as ann@example.org")
    return email


def _good(password: str, given: ValidationInfo) -> str:
    email = str(given.data.get("email", ""))
    problem = flaw(password, email, email.partition("@")[0], str(given.data.get("name", "")))
    if problem is not None:
        raise ValueError(problem)
    return password


Email = Annotated[Text, Field(max_length=250, examples=["ann@example.org"]), AfterValidator(email_key)]
NewPassword = Annotated[
    str,
    Field(max_length=LONGEST_PASSWORD, examples=["a sentence that nobody else has"]),
    AfterValidator(_good),
]
GivenPassword = Annotated[str, Field(min_length=1, max_length=LONGEST_PASSWORD)]


class Login(BaseModel):
    email: Email
    password: GivenPassword
    cookie: bool = Field(
        default=False,
        description="true: the refresh token comes as an HttpOnly cookie, for pages in a browser. false: in the body.",
    )


class NewAccount(BaseModel):
    email: Email
    name: Text = Field("", max_length=255, description="Empty: what stands before the @.")
    password: NewPassword

    @field_validator("name")
    @classmethod
    def _trimmed(cls, name: str) -> str:
        return name.strip()


class PasswordChange(BaseModel):
    current_password: GivenPassword
    new_password: NewPassword


class RefreshBody(BaseModel):
    refresh_token: Text | None = Field(None, max_length=256, description="Left out: the cookie is meant.")


class User(BaseModel):
    id: int
    name: str
    email: str | None
    role: Role
    disabled: bool
    must_change_password: bool
    can_log_in: bool = Field(description="Whether there is a password.")
    created_at: str


class Tokens(BaseModel):
    access_token: str = Field(description="For `Authorization: Bearer …`.")
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - what it is called, not one
    expires_in: int = Field(description="Seconds until the access token must be refreshed.")
    refresh_token: str | None = Field(description="null: it is in the cookie.")
    user: User


class Registered(BaseModel):
    message: str


def user_told(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of `users` as everybody sees it who may."""
    return {
        "id": row["id"],
        "name": row["name"],
        "email": row["email"],
        "role": row["role"],
        "disabled": bool(row["disabled"]),
        "must_change_password": bool(row["must_change"]),
        "can_log_in": row["password_hash"] is not None,
        "created_at": iso_ns(row["created_ns"]),
    }
