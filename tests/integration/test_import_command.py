"""Imported readings on a real outbox: counted, kept once, stored, and told to nobody as news."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest
from structlog.testing import capture_logs

from services.ingest.commands import Commands
from services.ingest.post import Post
from services.ingest.redrive import Redriver
from shared.commands import MAX_IMPORTED, Answer, Import, read_command
from shared.readings import Reading
from tests.fakes.ingest import NOW, Bench

PAYLOADS = Path(__file__).parents[1] / "payloads"
OLD = Reading("d1", 7, "sensor_data", NOW - 10**12, {"temperature": 1.5, "door": True, "mode": "eco"})
NEW = Reading("d2", 8, "telemetry", NOW - 10**9, {"t": 2.0})


class Desk(Bench):
    """An ingest that takes commands."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.post = Post()
        self.commands = Commands(self.outbox, Redriver(self.registry, self.settings), self.post)

    async def carry_out(self, payload: bytes) -> list[Reading]:
        """Returns what was written."""
        written: list[Reading] = []
        async for group in self.commands.groups(payload):
            assert group.quiet
            batch = await self.outbox.commit(group, [])
            assert (await self.outbox.recount()).agrees
            written += batch.readings if batch else ()
        return written

    @property
    def answers(self) -> list[Answer]:
        return [Answer.model_validate_json(payload) for _, payload in self.post._waiting]


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    opened = Desk(tmp_path)
    await opened.outbox.open()
    yield opened
    await opened.outbox.close()


def command(*readings: Reading, command_id: str = "import-01") -> bytes:
    return Import(command_id=command_id, readings=readings).model_dump_json().encode()


async def test_imported_readings_are_received_and_spooled(desk: Desk) -> None:
    """One row of the spool, one transaction with the books; values keep their types."""
    assert await desk.carry_out(command(OLD, NEW)) == [OLD, NEW]
    (row,) = await desk.outbox.rows(0, 100)
    assert row.readings == [OLD, NEW]
    assert [type(value) for value in row.readings[0].values.values()] == [float, bool, str]
    books = desk.outbox.books
    assert (books["received"], books["spooled"], books["messages"]) == (2, 2, 0)
    assert desk.answers == [Answer(command_id="import-01", done=2)]


async def test_an_import_is_carried_out_once(desk: Desk) -> None:
    """Delivered again, also to the next process, it writes nothing and gets the same answer."""
    await desk.carry_out(command(OLD))
    assert await desk.carry_out(command(OLD)) == []
    assert desk.outbox.books["received"] == 1
    first, second = desk.answers
    assert first == second


async def test_nobody_comes_back_to_life_by_an_import(desk: Desk) -> None:
    """A device counts as heard when its oldest reading was taken, not when somebody brings its file."""
    await desk.carry_out(command(OLD))
    waiting = desk.board.waiting(9)["d1"]
    assert (waiting.seen_ns, waiting.ts_ns) == (OLD.ts_ns, OLD.ts_ns)


async def test_an_import_moves_nothing_back(desk: Desk) -> None:
    """What a device said last stays its latest value."""
    batch = await desk.samples("d1", 9.0, ts_ns=NOW)
    await desk.carry_out(command(OLD._replace(user_id=batch.readings[0].user_id)))
    assert desk.board.waiting(9)["d1"].values == {"a": 9.0}


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"readings": []}, "readings"),
        ({"readings": [["d1", 0, "m", 1, {"t": 1.0}]]}, "readings.0.1"),
        ({"readings": [["d1", 2**63, "m", 1, {"t": 1.0}]]}, "readings.0.1"),
        ({"readings": [["d1", 1, "m", 2**63, {"t": 1.0}]]}, "readings.0.3"),
        ({"readings": [["d1", 1, "m", -(2**64), {"t": 1.0}]]}, "readings.0.3"),
        ({"readings": [["d 1", 1, "m", 1, {"t": 1.0}]]}, "readings.0.0"),
        ({"readings": [["d1", 1, "m", 1, {"t": None}]]}, "readings.0.4.t.float"),
        ({"readings": [["d1", 1, "m", 1, {"t": "x"}]] * (MAX_IMPORTED + 1)}, "readings"),
        ({"letters": [1]}, "letters"),
        ({"v": 2}, "v"),
    ],
)
async def test_a_malformed_import_has_no_effect(desk: Desk, change: dict[str, object], field: str) -> None:
    """It is acknowledged, and the log names the field."""
    with capture_logs() as logs:
        assert await desk.carry_out(json.dumps({**json.loads(command(OLD)), **change}).encode()) == []
    assert [line["field"] for line in logs if line["event"] == "bad_command"] == [field]
    assert desk.outbox.books["received"] == 0


def test_a_number_that_is_none_is_no_reading() -> None:
    """It would come out of the outbox as null."""
    with pytest.raises(ValueError, match="finite"):
        Import(command_id="import-01", readings=(OLD._replace(values={"t": float("nan")}),))


def test_an_import_is_the_documented_message() -> None:
    """As in docs/protocol.md, there and back."""
    golden = (PAYLOADS / "command-import.json").read_bytes()
    read = read_command(golden)
    assert isinstance(read, Import)
    assert orjson.loads(read.model_dump_json()) == orjson.loads(golden)
