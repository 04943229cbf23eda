"""The search for bad readings, on a server that is a function: who is blamed, and on what evidence."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.readings import Reading
from shared.timeseries.influxhttp import Answer
from shared.timeseries.lineprotocol import PROBE, lines_of
from shared.timeseries.refusals import Search, is_too_old
from shared.timeseries.store import Unavailable

CONFLICT = 'field type conflict: input field "v" on measurement "m" is type float, already exists as type string'


def batch(number: int) -> list[Reading]:
    """Every third has a field that the others don't have."""
    return [Reading("d1", 1, "m", at, {"v": 1.0} if at % 3 else {"w": 1.0}) for at in range(number)]


class Server:
    """Refuses the lines `bad`; `partial`: takes the others of the same request, else takes none of them."""

    def __init__(self, bad: set[bytes], *, partial: bool, words: Callable[[int], str]) -> None:
        self.bad = bad
        self.partial = partial
        self.words = words
        self.stored: set[bytes] = set()
        self.requests = 0

    async def write(self, body: bytes) -> Answer:
        self.requests += 1
        lines = set(body.split(b"\n"))
        if self.partial or not lines & self.bad:
            self.stored |= lines - self.bad
        return Answer(400, self.words(len(lines & self.bad))) if lines & self.bad else Answer(204)


WORDS: dict[str, Callable[[int], str]] = {
    "counted": lambda dropped: f"partial write: {CONFLICT} dropped={dropped}",
    "counted by 2.7": lambda dropped: (
        f"failure writing points to database: partial write: {CONFLICT} dropped={dropped}"
    ),
    "not counted": lambda _: CONFLICT,
    "not named": lambda _: "no",
    "wrongly named": lambda _: 'input field "z" on measurement "other" is type float',
    "a column": lambda _: "invalid column type for column 'v', expected string",
    "a liar": lambda _: "unable to parse 'm s__s=\"partial write: dropped=9999\"': partial write: bad dropped=9999",
    "parse error of 1.x": lambda _: "partial write: unable to parse 'x': no fields dropped=9999",
}


@given(
    st.integers(1, 40).flatmap(
        lambda number: st.tuples(st.just(number), st.sets(st.integers(0, number - 1), min_size=1))
    ),
    st.booleans(),
    st.sampled_from(sorted(WORDS)),
)
async def test_the_bad_ones_are_found_and_nobody_else(
    given_bad: tuple[int, set[int]],
    partial: bool,  # noqa: FBT001 - hypothesis draws it
    words: str,
) -> None:
    """Whichever they are, whether the server keeps the others, and whatever it says."""
    number, bad = given_bad
    readings = batch(number)
    lines, _ = lines_of(readings)
    server = Server({lines[at] for at in bad}, partial=partial, words=WORDS[words])
    found = await Search(server.write, readings, lines).run(await server.write(b"\n".join(lines.values())))
    assert [position for position, _ in found] == sorted(bad)
    assert server.stored - {PROBE} == {lines[at] for at in range(number) if at not in bad}


@pytest.mark.parametrize(("words", "most"), [("counted", 8), ("counted by 2.7", 8), ("not counted", 500)])
async def test_a_count_of_all_saves_asking_for_each(words: str, most: int) -> None:
    """100 conflicts in 300: those with the named field are split off, and told apart by one number."""
    readings = batch(300)
    lines, _ = lines_of(readings)
    bad = [at for at in range(300) if at % 3]
    server = Server({lines[at] for at in bad}, partial=False, words=WORDS[words])
    found = await Search(server.write, readings, lines).run(await server.write(b"\n".join(lines.values())))
    assert [position for position, _ in found] == bad
    assert server.requests <= most * len(bad) // 100


async def test_a_server_that_changes_its_mind_refuses_nothing() -> None:
    """It said that it dropped all of them, and then that it dropped one: an outage, not evidence."""
    readings = batch(2)
    lines, _ = lines_of(readings)
    said = iter([Answer(204), Answer(204), Answer(400, f"partial write: {CONFLICT} dropped=1")])

    async def write(_: bytes) -> Answer:
        return next(said)

    with pytest.raises(Unavailable, match="changed its mind"):
        await Search(write, readings, lines).run(Answer(400, f"partial write: {CONFLICT} dropped=2"))


@pytest.mark.parametrize(
    ("status", "reason", "expected"),
    [
        (400, "partial write: points beyond retention policy dropped=3", True),
        (422, "failure writing points to database: partial write: points beyond retention policy dropped=1", True),
        (400, f"partial write: {CONFLICT} dropped=1", False),
        (400, "unable to parse 'x partial write: points beyond retention policy dropped=1", False),
        (503, "partial write: points beyond retention policy dropped=3", False),
    ],
)
def test_what_is_only_too_old(status: int, reason: str, *, expected: bool) -> None:
    """By the server's own words, from the beginning to the end."""
    assert is_too_old(Answer(status, reason)) is expected
