"""Users: what may be sent and asked, and what is told."""

from pydantic import BaseModel, Field

from services.api.accounts.schemas import Email, NewPassword, User
from services.api.caller import Role
from services.api.inputs import Page, Text


class NewUser(BaseModel):
    email: Email
    name: Text = Field("", max_length=255, description="Empty: what stands before the @.")
    role: Role = "user"
    password: NewPassword | None = Field(None, description="Without one nobody can log in as this user yet.")
    must_change_password: bool = Field(default=True, description="At the first login.")


class UserChange(BaseModel):
    """Only what is given changes."""

    name: Text = Field("", min_length=1, max_length=255)
    email: Email = ""
    role: Role = "user"
    disabled: bool = Field(default=False, description="true: ends every session and stops every key, at once.")


class PasswordSet(BaseModel):
    password: NewPassword
    must_change_password: bool = Field(default=True, description="At the next login.")


class UsersQuery(Page):
    """Always a page."""

    q: Text | None = Field(None, max_length=255, description="Part of the name or the address.")
    role: Role | None = None
    disabled: bool | None = None


class UsersPage(BaseModel):
    data: list[User]
    total: int
    page: int
    per_page: int
