"""What the api asks of an ingest worker, on `telemetrio/control/{source}`, and what the worker answers."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, field_validator

from shared.readings import Reading

MAX_LETTERS: Final = 1_000
MAX_IMPORTED: Final = 2_000
MAX_IMPORT_BYTES: Final = 256 * 1024

# a letter's row id, and why it is still where it was
Left = tuple[int, str]

CommandId = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{8,64}$", description="Random; carried out once.")]


class Command(BaseModel):
    """Drive dead letters again, or discard them: `letters` are row ids in the file of the worker's `epoch`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    v: Literal[1] = 1
    command_id: CommandId
    action: Literal["redrive", "discard"]
    epoch: str = Field(min_length=1, max_length=32)
    letters: tuple[Annotated[int, Field(ge=1, lt=2**63)], ...] = Field(min_length=1, max_length=MAX_LETTERS)

    @field_validator("letters")
    @classmethod
    def _each_once(cls, letters: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(letters)) < len(letters):
            raise ValueError("a letter is named twice")
        return letters


class Import(BaseModel):
    """Readings of somebody's file, judged by the api, to be kept like any other: one transaction of the worker."""

    # a number that is none would come out of the outbox as null
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    v: Literal[1] = 1
    command_id: CommandId
    action: Literal["import"] = "import"
    readings: tuple[Reading, ...] = Field(min_length=1, max_length=MAX_IMPORTED)


AnyCommand = Command | Import

_any_command: Final[TypeAdapter[AnyCommand]] = TypeAdapter(Annotated[AnyCommand, Field(discriminator="action")])


def read_command(payload: bytes) -> AnyCommand:
    """What came over the broker; raises pydantic's ValidationError."""
    return _any_command.validate_json(payload)


class Answer(BaseModel):
    """On `telemetrio/control/{source}/done`: so many letters have gone; the others were left, each for a reason.

    Of an import: so many readings were taken.
    """

    model_config = ConfigDict(frozen=True)

    v: Literal[1] = 1
    command_id: str
    done: int
    left: tuple[Left, ...] = ()
