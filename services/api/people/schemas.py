"""Users as the seeds' frontends read and write them."""

import re
from typing import Annotated, Any, Final, Self

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, RootModel, model_validator

from services.api.accounts.schemas import Email
from services.api.inputs import Page, Query, Text
from services.api.people.queries import MAX_PROFILE_BYTES
from shared.readings import Value

MAX_ROWS: Final = 1_000
TOO_LARGE: Final = f"the profile is too large: keep it within {MAX_PROFILE_BYTES} bytes of JSON"

# kept by the server: a form that sends the whole user back changes nothing with them
_OURS: Final = frozenset({"id", "user_id", "role", "created_at"})
_SECRETS: Final = frozenset({"password", "password_hash"})
# \u0000 as JSON writes it, but not a backslash that is followed by those letters
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


def _none_if_empty(value: Any) -> Any:
    return None if value == "" else value


class PersonChange(BaseModel):
    """A user's name, email, and whatever else a frontend keeps of them: it comes back as it was sent."""

    model_config = ConfigDict(extra="allow", json_schema_extra={"example": {"name": "Ann", "settings": {"dark": True}}})

    name: Text = Field("", min_length=1, max_length=255)
    email: Annotated[Email | None, BeforeValidator(_none_if_empty)] = None

    @model_validator(mode="after")
    def _keepable(self) -> Self:
        if self.profile.keys() & _SECRETS:
            raise ValueError("a password is never kept in a profile")
        try:
            encoded = orjson.dumps(self.profile)
        except TypeError as error:
            raise ValueError("the profile is nested too deeply, or has a number beyond 64 bits") from error
        if len(encoded) > MAX_PROFILE_BYTES:
            raise ValueError(TOO_LARGE)
        if _NUL.search(encoded):
            raise ValueError("contains a NUL character, which can't be stored")
        return self

    @property
    def columns(self) -> dict[str, Any]:
        """What was given of the name and the email."""
        return {name: getattr(self, name) for name in ("name", "email") if name in self.model_fields_set}

    @property
    def profile(self) -> dict[str, Any]:
        """Everything else that was given."""
        return {name: value for name, value in (self.model_extra or {}).items() if name not in _OURS}


class SensorDataQuery(Query):
    limit: int = Field(MAX_ROWS, ge=1, le=MAX_ROWS, description="How many rows, the newest first.")


class PeopleQuery(Page):
    """A bare array; with `page` or `per_page` one page in an envelope."""


class Person(BaseModel):
    """`user_id` is the same as `id`. Everything that a profile keeps stands beside these."""

    model_config = ConfigDict(extra="allow")

    id: int
    user_id: int
    name: str
    email: str | None
    role: str
    created_at: str


class PeoplePage(BaseModel):
    data: list[Person]
    total: int
    page: int
    per_page: int


class People(RootModel[list[Person] | PeoplePage]):
    """An array, or one page of it if `page` or `per_page` was asked."""


class Row(BaseModel):
    """One reading; its metrics stand beside these."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Value] = Field(init=False)

    time: str
    device_id: str
    measurement: str


class UserData(BaseModel):
    user: Person
    sensor_data: list[Row] = Field(description="The newest readings of the user's devices, newest first.")


class Saved(BaseModel):
    message: str = Field(examples=["User updated successfully"])
    user: Person
