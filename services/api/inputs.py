"""What clients send, validated: JSON bodies, query strings, ids in paths. Whatever is wrong with them is a 4xx."""

from typing import Annotated, Any, Final, TypeVar

import orjson
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from quart import request
from werkzeug.routing import BaseConverter

from services.api.errors import BadRequest, NotFound, WrongType, invalid

M = TypeVar("M", bound=BaseModel)

MAX_INT64: Final = 2**63 - 1
MAX_PER_PAGE: Final = 1_000
_PER_PAGE: Final = 50


def storable(text: str) -> str:
    """The text itself; raises ValueError for what PostgreSQL can't keep, which is NUL.

    Half a surrogate pair can't arrive: orjson refuses it, and werkzeug leaves it quoted.
    """
    if "\x00" in text:
        raise ValueError("contains a NUL character, which can't be stored")
    return text


def _whole(value: Any) -> Any:
    # 5.0 is an integer to JSON and its schema
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _split(value: Any) -> Any:
    return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


Text = Annotated[str, AfterValidator(storable)]
Int64 = Annotated[int, Field(ge=-(2**63), le=MAX_INT64), BeforeValidator(_whole)]
# a list in a query string: comma-separated
CommaList = Annotated[
    list[Text], Field(max_length=100), BeforeValidator(_split), WithJsonSchema({"type": "string", "example": "a,b"})
]


class Query(BaseModel):
    """A query string: a parameter that is not known is a mistake, not a wish to be left alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Page(Query):
    """Asks for one page of a list."""

    page: int | None = Field(None, ge=1, le=10**9, description="Which page, from 1.")
    per_page: int | None = Field(None, ge=1, le=MAX_PER_PAGE, description="How many on a page.")

    @property
    def paged(self) -> bool:
        """Whether a page was asked for; some lists come whole otherwise."""
        return self.page is not None or self.per_page is not None

    def window(self) -> tuple[int, int, int]:
        """What to fetch, as (page, per_page, offset)."""
        page, per_page = self.page or 1, self.per_page or _PER_PAGE
        return page, per_page, (page - 1) * per_page


async def body(model: type[M]) -> M:
    """The JSON body of this request; raises WrongType or BadRequest. Types are what they say: no "5", no true for 1."""
    if not request.is_json:
        raise WrongType("The body must be JSON: send Content-Type: application/json", "not_json")
    raw = await request.get_data(parse_form_data=False)
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The body is not valid JSON: {error}", "bad_json") from error
    if not isinstance(value, dict):
        raise BadRequest("The body must be a JSON object", "not_an_object")
    try:
        return model.model_validate_json(raw, strict=True)
    except ValidationError as error:
        raise invalid(error) from error


async def optional_body(model: type[M]) -> M:
    """The same, where an empty body means that nothing is chosen."""
    return await body(model) if await request.get_data(parse_form_data=False) else model()


def query(model: type[M]) -> M:
    """The query string of this request; a parameter given twice is refused, not chosen from."""
    given = request.args
    for name, values in given.lists():
        if len(values) > 1:
            raise BadRequest(f"{name[:64]} is given more than once", "bad_query")
    return _validated(model, given.to_dict())


def _validated(model: type[M], value: dict[str, Any]) -> M:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise invalid(error) from error


class Digits(BaseConverter):
    """`<digits:id>` in a path beside which words have routes of their own: those words are no ids."""

    regex = "[0-9]{1,64}"


def row_id(text: str, what: str) -> int:
    """An id in a path. What is no number names nothing: NotFound, as for a number that nobody has."""
    if not (text.isascii() and text.isdigit()) or len(text) > 19 or int(text) > MAX_INT64:
        raise NotFound(f"{what} not found", f"{what.lower().replace(' ', '_')}_not_found")
    return int(text)


class OneDevice(BaseConverter):
    """`<device:device_id>` in a path beside which `bulk` has routes of its own: that word is no device there."""

    regex = r"(?!bulk\Z)[^/]+"
    part_isolating = True
