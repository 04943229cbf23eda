"""What the api asks of an ingest worker, on `telemetrio/control/{source}`, and what the worker answers."""

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

MAX_LETTERS: Final = 1_000

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


class Answer(BaseModel):
    """On `telemetrio/control/{source}/done`: so many letters have gone; the others were left, each for a reason."""

    model_config = ConfigDict(frozen=True)

    v: Literal[1] = 1
    command_id: str
    done: int
    left: tuple[Left, ...] = ()
