"""Comparisons with another program: by turns, and only with one that is there."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from shared.process import Refusal
from telemetrio.against import Cost, in_turn, peer


async def test_both_are_run_by_turns_and_the_medians_compared() -> None:
    """A B A B, so that an hour in which the machine is slow is slow for both."""
    ran: list[str] = []

    def runs(name: str, costs: list[float]) -> object:
        async def run() -> Cost:
            ran.append(name)
            return Cost(costs.pop(0), 1_000, 100)

        return run

    given = {"ours": runs("ours", [10.0, 20.0]), "theirs": runs("theirs", [40.0, 20.0])}
    ours, theirs, ratio = await in_turn(given, Console(file=io.StringIO()), "")  # type: ignore[arg-type] # as above
    assert ran == ["ours", "theirs", "ours", "theirs"]
    assert ours.value == "10.0 and 20.0 µs each, 1,000 and 1,000 a second, 100 MB"
    assert (theirs.name, ratio.value) == ("theirs", "0.50")


def test_a_program_that_is_there_is_taken(tmp_path: Path) -> None:
    """By its name and its path."""
    program = tmp_path / "telegraf"
    program.touch()
    assert peer(f"telegraf={program}", "telegraf") == program


@pytest.mark.parametrize("given", ["telegraf", "telegraf=", "telegraf=/no/such/file", "centrifugo=/bin/sh"])
def test_a_program_that_is_not_there_is_refused(given: str) -> None:
    """In one sentence that says how to name it."""
    with pytest.raises(Refusal, match="give telegraf=PATH"):
        peer(given, "telegraf")
