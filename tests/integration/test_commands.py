"""Commands on a real outbox: dead letters driven again or discarded, once, with books that balance at every step."""

import random
import sqlite3
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from services.ingest import commands as commands_module
from services.ingest import deadletters, errands
from services.ingest.commands import Commands
from services.ingest.deadletters import MAX_LETTERS_PER_DEVICE
from services.ingest.errands import KEPT_NS, Errand
from services.ingest.group import refused_reading
from services.ingest.outboxfile import Completion
from services.ingest.post import Post
from services.ingest.redrive import Redriver
from services.ingest.registry import Device
from shared.commands import Answer, Command
from shared.profiles import KNEE, OPEN
from shared.readings import Reading
from tests.fakes.ingest import NOW, Bench, delivery

PAYLOADS = Path(__file__).parents[1] / "payloads"
BAD = b'{"x": 1'


class Desk(Bench):
    """An ingest that takes commands; every commit is followed by a recount."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.post = Post()
        self.commands = Commands(self.outbox, Redriver(self.registry, self.settings), self.post)
        self.registry._devices["k1"] = Device(1, KNEE)

    def mend(self, device_id: str = "k1") -> None:
        self.registry._devices[device_id] = Device(1, OPEN)

    def command(self, name: str, *letters: int, command_id: str = "command-1", **changes: Any) -> bytes:
        content: dict[str, Any] = {
            "v": 1,
            "command_id": command_id,
            "action": name,
            "epoch": self.outbox.epoch,
            "letters": letters,
        }
        return orjson.dumps({**content, **changes})

    async def carry_out(self, command: bytes, *, commits: int = 1_000) -> list[Reading]:
        """As the pipeline does it, cut off after so many commits; returns what was announced."""
        announced: list[Reading] = []
        async for group in self.commands.groups(command):
            if not commits:
                break
            commits -= 1
            batch = await self.outbox.commit(group, [])
            announced += batch.readings if batch else ()
            recount = await self.outbox.recount()
            assert recount.agrees, recount
        return announced

    def answers(self) -> list[Answer]:
        return [Answer.model_validate_json(payload) for _, payload in self.post._waiting]

    def books(self) -> dict[str, int]:
        named = ("received", "spooled", "dead_lettered", "discarded", "redriven")
        return {name: self.outbox.books[name] for name in named if self.outbox.books[name]}

    async def letters(self) -> list[tuple[int, str, int]]:
        rows = "SELECT letter, kind, entries FROM dead ORDER BY letter"
        return await self.outbox.read(lambda connection: connection.execute(rows).fetchall())


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    opened = Desk(tmp_path)
    await opened.outbox.open()
    yield opened
    await opened.outbox.close()


async def test_a_discarded_letter_is_gone_and_counted(desk: Desk) -> None:
    """Its entries move from dead_lettered to discarded; the relational database is to forget it."""
    await desk.commit(delivery("k1", BAD), delivery("k1", [{"w": 1}, {"w": 2}, {"x": 3}]), delivery("k1", BAD))
    assert desk.books() == {"received": 5, "spooled": 1, "dead_lettered": 4}
    assert await desk.carry_out(desk.command("discard", 2, 1)) == []
    assert desk.books() == {"received": 5, "spooled": 1, "dead_lettered": 1, "discarded": 3}
    assert await desk.letters() == [(3, "message", 1)]
    assert await desk.outbox.read(partial(deadletters.to_forget, limit=9)) == [1, 2]
    assert desk.answers() == [Answer(command_id="command-1", done=2)]
    assert [topic for topic, _ in desk.post._waiting] == ["telemetrio/control/ingest/done"]


async def test_a_message_is_driven_again_at_its_own_time(desk: Desk) -> None:
    """Once its device is mended: the point that it would have been, and the letter is gone."""
    await desk.commit(delivery("k1", [{"w": 1}, {"w": 2, "ts": NOW - 5}]))
    desk.mend()
    readings = await desk.carry_out(desk.command("redrive", 1))
    assert [(reading.ts_ns, reading.values) for reading in readings] == [(NOW, {"w": 1.0}), (NOW - 5, {"w": 2.0})]
    assert desk.books() == {"received": 2, "spooled": 2, "redriven": 2}
    assert await desk.letters() == []


async def test_nobody_comes_back_to_life_by_being_mended(desk: Desk) -> None:
    """A device was heard when it spoke, not when its letter is driven again, whoever else has spoken since."""
    await desk.commit(delivery("k1", {"w": 1}), delivery("k1", {"w": 2}))
    await desk.commit(delivery("k2", {"a": 1}, NOW + 60 * 10**9))
    desk.mend()
    await desk.carry_out(desk.command("redrive", 1))
    assert desk.board.waiting(9)["k1"].seen_ns == NOW
    await desk.commit(delivery("k1", {"w": 3}, NOW + 90 * 10**9))
    await desk.carry_out(desk.command("redrive", 2, command_id="command-2"))
    assert desk.board.waiting(9)["k1"].seen_ns == NOW + 90 * 10**9


async def test_of_a_part_only_what_was_refused_is_stored(desk: Desk) -> None:
    """A letter of refused metrics weighs nothing; what it becomes is counted as received again."""
    await desk.commit(delivery("k1", {"x": 1, "w": 2}))
    assert desk.books() == {"received": 1, "spooled": 1}
    desk.mend()
    (reading,) = await desk.carry_out(desk.command("redrive", 1))
    assert (reading.ts_ns, reading.values) == (NOW, {"w": 2.0})
    assert desk.books() == {"received": 2, "spooled": 2}
    assert await desk.letters() == []


async def test_what_is_refused_again_is_a_letter_again(desk: Desk) -> None:
    """Partly: the rest is a new letter. Wholly: the old one stays, and the answer says why."""
    await desk.commit(delivery("k1", [{"w": 1}, {"w": []}]), delivery("k1", BAD))
    desk.mend()
    await desk.carry_out(desk.command("redrive", 1, 2))
    assert desk.books() == {"received": 3, "spooled": 1, "dead_lettered": 2, "redriven": 2}
    assert await desk.letters() == [(2, "message", 1), (3, "part", 1)]
    (answer,) = desk.answers()
    assert (answer.done, answer.left) == (1, ((2, "not_json"),))


async def test_what_the_store_refused_is_written_again(desk: Desk) -> None:
    """Kind `reading`: our own encoding."""
    batch = await desk.samples("d1", 1.5)
    desk.outbox.complete(Completion([batch.seq], 1, [refused_reading(batch.readings[0], "type conflict")]))
    await desk.outbox.flush()
    assert desk.books() == {"received": 1, "dead_lettered": 1}
    assert await desk.carry_out(desk.command("redrive", 1)) == list(batch.readings)
    assert desk.books() == {"received": 1, "spooled": 1, "redriven": 1}


async def test_what_has_no_bytes_can_only_be_discarded(desk: Desk) -> None:
    """Above the quota only a number was kept, above 64 KiB only the beginning: both stay, with the reason."""
    await desk.commit(delivery("k1", b"x" * 70_000), *[delivery("k1", BAD)] * MAX_LETTERS_PER_DEVICE)
    shed = MAX_LETTERS_PER_DEVICE + 1
    assert (await desk.letters())[-1] == (shed, "shed", 1)
    before = desk.books()
    await desk.carry_out(desk.command("redrive", 1, shed))
    (answer,) = desk.answers()
    assert [(letter, reason.partition(":")[0]) for letter, reason in answer.left] == [(1, "truncated"), (shed, "shed")]
    assert desk.books() == before
    await desk.carry_out(desk.command("discard", 1, shed, command_id="command-2"))
    assert desk.books()["discarded"] == 2


async def test_a_row_that_grew_meanwhile_is_discarded_as_it_is(desk: Desk) -> None:
    """Entries that were shed between the look and the deletion are counted, too."""
    await desk.commit(*[delivery("k1", BAD)] * (MAX_LETTERS_PER_DEVICE + 2))
    batch = await desk.samples("k2", 1)
    groups = desk.commands.groups(desk.command("discard", MAX_LETTERS_PER_DEVICE + 1))
    group = await anext(groups)
    (gone,) = group.gone
    letter = gone.letter._replace(kind="message", payload=b"x", entries=1)
    desk.outbox.complete(Completion([batch.seq], 1, [letter]))
    await desk.outbox.flush()
    assert (await desk.letters())[-1] == (MAX_LETTERS_PER_DEVICE + 1, "shed", 3)
    await desk.outbox.commit(group, [])
    assert desk.books()["discarded"] == 3
    assert (await desk.outbox.recount()).agrees


async def test_what_goes_makes_room_for_other_letters(desk: Desk) -> None:
    """A device at its quota: once a letter is discarded, or driven again, the next one is kept whole."""
    await desk.commit(delivery("k1", {"w": 1}), *[delivery("k1", BAD)] * (MAX_LETTERS_PER_DEVICE - 1))
    desk.mend()
    await desk.carry_out(desk.command("redrive", 1))
    await desk.carry_out(desk.command("discard", 2, command_id="command-2"))
    await desk.commit(*[delivery("k1", BAD)] * 3)
    kinds = [kind for _, kind, _ in await desk.letters()]
    assert (kinds.count("message"), kinds.count("shed")) == (MAX_LETTERS_PER_DEVICE, 1)


async def test_at_its_quota_a_device_keeps_what_is_still_refused(desk: Desk) -> None:
    """Driven again and refused in part: the rest takes the place of the letter that went, bytes and all."""
    await desk.commit(delivery("k1", [{"w": 1}, {"w": []}]), *[delivery("k1", BAD)] * (MAX_LETTERS_PER_DEVICE - 1))
    desk.mend()
    await desk.carry_out(desk.command("redrive", 1))
    assert (await desk.letters())[-1] == (MAX_LETTERS_PER_DEVICE + 1, "part", 1)


async def test_a_command_is_carried_out_once(desk: Desk) -> None:
    """Delivered again it has no effect, and gets the answer that it got before."""
    await desk.commit(delivery("k1", {"w": 1}), delivery("k1", BAD))
    desk.mend()
    command = desk.command("redrive", 1, 2)
    await desk.carry_out(command)
    before = desk.books()
    assert await desk.carry_out(command) == []
    first, second = desk.answers()
    assert first == second
    assert desk.books() == before
    await desk.carry_out(desk.command("discard", 1, command_id="command-2"))
    assert desk.answers()[-1].left == ((1, "gone: it was driven again or discarded before"),)


@pytest.mark.parametrize("commits", [0, 1, 2, 3, 4])
async def test_a_command_that_is_cut_off_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, commits: int
) -> None:
    """After any of its commits, in another process: in the end each letter was driven again once."""
    monkeypatch.setattr(commands_module, "_AT_ONCE", 2)
    first = Desk(tmp_path)
    await first.outbox.open()
    await first.commit(*(delivery("k1", {"w": number, "ts": NOW + number}) for number in range(5)))
    first.mend()
    command = first.command("redrive", 1, 2, 3, 4, 5, 99)
    before = await first.carry_out(command, commits=commits)
    await first.outbox.close()
    second = Desk(tmp_path)
    await second.outbox.open()
    second.mend()
    after = await second.carry_out(command)
    assert [reading.values["w"] for reading in [*before, *after]] == [0, 1, 2, 3, 4]
    assert second.books() == {"received": 5, "spooled": 5, "redriven": 5}
    (answer,) = second.answers()
    assert (answer.done, [letter for letter, _ in answer.left]) == (5, [99])
    await second.outbox.close()


async def test_a_statement_that_fails_takes_the_command_back_with_its_effects(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How far it has come, the letters and the quota are as before."""
    await desk.commit(delivery("k1", BAD))

    def refuses(*_: object, **__: object) -> None:
        raise ConnectionAbortedError

    monkeypatch.setattr(errands, "keep", refuses)
    with pytest.raises(ConnectionAbortedError):
        await desk.carry_out(desk.command("discard", 1))
    monkeypatch.undo()
    assert await desk.letters() == [(1, "message", 1)]
    assert desk.outbox._file._quota.kept_bytes > len(BAD)
    await desk.carry_out(desk.command("discard", 1))
    assert desk.books() == {"received": 1, "discarded": 1}
    assert desk.outbox._file._quota.kept_bytes == 0


async def test_a_command_for_another_file_has_no_effect(desk: Desk) -> None:
    """Its letters' numbers mean others here."""
    await desk.commit(delivery("k1", BAD))
    await desk.carry_out(desk.command("discard", 1, epoch="another"))
    assert await desk.letters() == [(1, "message", 1)]
    assert desk.answers()[0].left[0][1].startswith("epoch: ")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"letters": []}, "letters"),
        ({"letters": [1, 1]}, "letters"),
        ({"letters": ["x"]}, "letters.0"),
        ({"letters": list(range(1, 1_002))}, "letters"),
        ({"letters": [2**63]}, "letters.0"),
        ({"action": "burn"}, "action"),
        ({"epoch": ""}, "epoch"),
        ({"v": 2}, "v"),
        ({"why": 1}, "why"),
    ],
)
async def test_a_malformed_command_is_named_and_has_no_effect(desk: Desk, change: dict[str, Any], field: str) -> None:
    """It is acknowledged, so that it doesn't come again; the log says which field is wrong."""
    await desk.commit(delivery("k1", BAD))
    with capture_logs() as logs:
        await desk.carry_out(desk.command("discard", 1, **change))
    assert [(line["event"], line["field"]) for line in logs if line["event"] == "bad_command"] == [
        ("bad_command", field)
    ]
    assert desk.answers() == []
    assert desk.books() == {"received": 1, "dead_lettered": 1}


async def test_bytes_that_are_no_json_are_no_command(desk: Desk) -> None:
    """Nothing is committed for them, and nothing is answered."""
    assert [group async for group in desk.commands.groups(b"\xff{")] == []
    assert desk.answers() == []


async def test_old_commands_are_forgotten(desk: Desk) -> None:
    """A week later nobody asks again."""
    for at_ns in (1, KEPT_NS // 2, KEPT_NS + 2):
        keep = partial(errands.keep, command_id=f"command-{at_ns}", errand=Errand(1, 1, ((4, "why"),)), now_ns=at_ns)
        await desk.outbox.change(keep)
    assert await desk.outbox.read(partial(errands.find, command_id="command-1")) == Errand()
    found = await desk.outbox.read(partial(errands.find, command_id=f"command-{KEPT_NS // 2}"))
    assert found == Errand(1, 1, ((4, "why"),))


async def test_a_damaged_file_forgets_no_letter_that_went(tmp_path: Path) -> None:
    """What a command had done is carried over; a note of it that nobody can read isn't, and stops nobody."""

    def spoil(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE commands SET \"left\" = x'7b'")

    first = Desk(tmp_path)
    await first.outbox.open()
    await first.commit(delivery("k1", BAD), delivery("k1", BAD))
    command = first.command("discard", 1)
    await first.carry_out(command)
    await first.outbox.change(spoil)
    await first.outbox.close()
    second = Desk(tmp_path)
    await second.outbox.open()
    assert second.outbox.epoch != first.outbox.epoch
    assert await second.outbox.read(partial(deadletters.to_forget, limit=9)) == [1]
    await second.carry_out(command)
    await second.carry_out(second.command("discard", 2, command_id="command-2"))
    assert [answer.done for answer in second.answers()] == [0, 1]
    assert second.books() == {"received": 2, "discarded": 2}
    await second.outbox.close()


async def test_books_balance_whatever_is_commanded(desk: Desk) -> None:
    """A hundred random commands over random letters, the rules changing meanwhile: each commit is recounted."""
    chance = random.Random(7)
    contents = [BAD, {"w": 1}, {"x": 1, "w": 2}, [{"w": 1}, {"x": 2}, {"w": []}], [{"x": []}, {"x": 1}], b"x" * 70_000]
    for number in range(100):
        await desk.commit(*(delivery("k1", chance.choice(contents), NOW + number) for _ in range(3)))
        desk.registry._devices["k1"] = Device(1, chance.choice([KNEE, OPEN]), chance.random() < 0.2)
        letters = {chance.randint(1, 200) for _ in range(chance.randint(1, 6))}
        action = chance.choice(["redrive", "discard"])
        await desk.carry_out(desk.command(action, *letters, command_id=f"command-{number}"))
    assert desk.books()["redriven"]
    assert desk.books()["discarded"]
    assert sum(answer.done for answer in desk.answers()) > 20


def test_commands_and_answers_are_the_documented_messages() -> None:
    """As in docs/protocol.md, there and back."""
    command = (PAYLOADS / "command.json").read_bytes()
    assert orjson.loads(Command.model_validate_json(command).model_dump_json()) == orjson.loads(command)
    answer = (PAYLOADS / "command-answer.json").read_bytes()
    assert orjson.loads(Answer.model_validate_json(answer).model_dump_json()) == orjson.loads(answer)
