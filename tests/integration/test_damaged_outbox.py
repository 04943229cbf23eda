"""Fault 14 on real files: whatever is done to them, ingest starts, keeps what can be read, says what it isolated."""

import asyncio
import os
import random
import shutil
import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import pytest

from services.ingest import backlog, damage, filters, isolation, pending, salvage, scan, soundness, tables
from services.ingest.__main__ import ingest, read_all
from services.ingest.delivery import Message
from services.ingest.errors import OutboxFull
from services.ingest.group import Group
from services.ingest.lock import hold
from services.ingest.outboxfile import SpoolRow
from services.ingest.writer import Writer
from shared.books import COLUMNS
from shared.process import ExitCode, Refusal
from tests.fakes.ingest import NOW, Announced, Bench, delivery
from tests.fakes.store import FailingStore
from tests.peers.waiting import eventually_async

ROWS = 200
NAME = "ingest.outbox"
NEW = [16_384, 2, "wal"]  # 2: incremental


class Written:
    """What was committed, by the bytes of its row: an outbox as a killed process leaves it, and one that was closed."""

    def __init__(self, folder: Path) -> None:
        self.killed = folder / "killed"
        self.closed = folder / "closed"
        self.epoch = ""
        self.bodies: list[bytes] = []

    async def write(self) -> None:
        bench = Bench(self.closed)
        await bench.outbox.open()
        self.epoch = bench.outbox.epoch
        choices = random.Random(1)
        for row in range(ROWS):
            content: list[object] = [
                {"ts": NOW + row * 1_000 + sample, "a": choices.random()} for sample in range(choices.randrange(1, 120))
            ]
            bad = [delivery("d1", b"not json %d" % row)] if row % 5 == 0 else []
            batch = await bench.commit(delivery(f"d{row % 20}", content), *bad)
            assert batch is not None
            self.bodies.append(batch.body)
            if row == ROWS // 2:  # one half in the file, the other in its log
                await bench.outbox.read(lambda found: found.execute("PRAGMA wal_checkpoint").fetchall())
        await filters.OutboxFilters(bench.outbox).save(["iot/devices/+/data"])
        await bench.outbox.flush()
        shutil.copytree(self.closed, self.killed, ignore=shutil.ignore_patterns("ballast"))
        await bench.outbox.close()


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Written:
    made = Written(tmp_path_factory.mktemp("written"))
    asyncio.run(made.write())
    return made


def copy(source: Path, folder: Path) -> Path:
    """Returns the outbox's file."""
    shutil.copytree(source, folder)
    return folder / NAME


async def opened(folder: Path) -> Bench:
    bench = Bench(folder)
    await bench.outbox.open()
    return bench


def list_damaged(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.damaged-*"))


async def all_rows(bench: Bench) -> list[SpoolRow]:
    """As the writer reads them."""
    found: list[SpoolRow] = []
    while rows := await bench.outbox.rows(found[-1].seq if found else 0, 5_000):
        found += rows
    return found


def readable(path: Path) -> list[bytes]:
    """The bodies of all rows that SQLite gives when asked for each by its number, and whose checksum holds."""
    found = []
    with closing(damage.read_only(path)) as connection:
        with suppress(sqlite3.DatabaseError):
            connection.execute("PRAGMA writable_schema=ON")
        for seq in range(1, ROWS + 1):
            try:
                row = connection.execute("SELECT crc, body, status FROM spool WHERE seq = ?", (seq,)).fetchone()
            except sqlite3.DatabaseError:
                continue
            if row is not None and soundness.spooled(*row) is not None:
                found.append(row[1])
    return found


def flip(path: Path, choices: random.Random, count: int) -> None:
    data = bytearray(path.read_bytes())
    for _ in range(count):
        data[choices.randrange(len(data))] ^= choices.randrange(1, 256)
    path.write_bytes(data)


def tear(path: Path, choices: random.Random, count: int) -> None:
    os.truncate(path, choices.randrange(path.stat().st_size))


def page_size(path: Path) -> int:
    """As the file's head says."""
    (size,) = struct.unpack_from(">H", path.read_bytes(), 16)
    return 65_536 if size == 1 else int(size)


def blank(path: Path, choices: random.Random, count: int) -> None:
    """Whole pages are overwritten, as a failing disk does."""
    data, size = bytearray(path.read_bytes()), page_size(path)
    for _ in range(count):
        at = choices.randrange(1, len(data) // size) * size
        data[at : at + size] = choices.randbytes(size)
    path.write_bytes(data)


def of_the_log(spoil: Callable[[Path, random.Random, int], None]) -> Callable[[Path, random.Random, int], None]:
    def spoiled(path: Path, choices: random.Random, count: int) -> None:
        spoil(damage.beside(path, "-wal"), choices, count)

    return spoiled


@pytest.mark.parametrize("seed", [*range(4), 58])  # 58: half a page, whose rows have the number 0
@pytest.mark.parametrize("spoil", [flip, tear, blank, of_the_log(flip), of_the_log(tear)])
async def test_whatever_is_damaged_every_row_that_can_be_read_goes_on(
    written: Written, tmp_path: Path, spoil: Callable[[Path, random.Random, int], None], seed: int
) -> None:
    """It opens; each row that SQLite gives is kept, byte for byte; the store gets each once; the books balance."""
    choices = random.Random(f"{seed}")
    source = written.killed if seed % 2 or spoil not in {flip, tear, blank} else written.closed
    path = copy(source, tmp_path / "data")
    spoil(path, choices, choices.choice([1, 3, 10, 30]))
    shutil.copytree(tmp_path / "data", tmp_path / "oracle")
    expected = readable(tmp_path / "oracle" / NAME)
    bench = await opened(tmp_path / "data")
    rows = await all_rows(bench)
    kept = [row.body for row in rows]
    assert [body for body in expected if body not in kept] == []
    assert kept == [body for body in written.bodies if body in kept]  # and nothing else, in order
    recount = await bench.outbox.recount()
    assert recount.agrees, recount
    assert recount.spooled == sum(row.entries for row in rows)
    assert {reading.device_id for row in rows for reading in row.readings} <= set(bench.board.waiting(100))
    store = FailingStore()
    await stored(bench, store)
    assert len(store.stored) == len({(row.device_id, row.ts_ns) for each in rows for row in each.readings})
    assert (await bench.outbox.recount()).agrees
    assert len(await bench.outbox.read(backlog.latest)) <= 20
    await bench.outbox.close()


async def stored(bench: Bench, store: FailingStore) -> None:
    writer = Writer(bench.outbox, store, Announced(), bench.health)
    running = asyncio.create_task(writer.run())

    async def empty() -> bool:
        await bench.outbox.flush()
        return bench.outbox.books["spooled"] == 0

    await eventually_async(empty, 10)
    running.cancel()


async def test_a_sound_file_is_left_alone(written: Written, tmp_path: Path) -> None:
    """Killed or closed, with its log or all in one file: the same epoch, and nothing is set aside."""
    for source in (written.killed, written.closed):
        folder = tmp_path / source.name
        copy(source, folder)
        damage.beside(folder / NAME, "-shm").unlink(missing_ok=True)  # it can be made anew
        bench = await opened(folder)
        assert (bench.outbox.epoch, len(await all_rows(bench))) == (written.epoch, ROWS)
        assert "outbox_file" not in bench.health.snapshot()
        await bench.outbox.close()
        assert list(folder.glob("*damaged*")) == []


async def test_what_is_lost_is_a_dead_letter_and_the_old_books_go_on(written: Written, tmp_path: Path) -> None:
    """A page in the middle costs its rows: counted, told on the health page, and the file they were in is kept."""
    path = copy(written.closed, tmp_path / "data")
    before = path.read_bytes()
    data = bytearray(before)
    size = page_size(path)
    at = len(data) // 2 // size * size
    data[at : at + size] = bytes(size)
    path.write_bytes(data)
    bench = await opened(tmp_path / "data")
    kept = await all_rows(bench)
    assert 100 < len(kept) < ROWS
    assert bench.outbox.epoch != written.epoch
    assert [row.seq for row in kept] == list(range(1, len(kept) + 1))
    books = bench.outbox.books
    everything = sum(body.count(b'"a"') for body in written.bodies)
    lost = everything - books["spooled"]
    assert books["received"] == everything + ROWS // 5
    assert books["dead_lettered"] == ROWS // 5 + lost
    letters = [letter for _, letter in await bench.outbox.read(lambda found: backlog.letters(found, 1_000))]
    (told,) = [letter for letter in letters if letter.code == "damaged"]
    assert (told.kind, told.entries) == ("shed", lost)
    seen = bench.health["outbox_file"]
    assert (seen.state, seen.needed) == ("degraded", False)
    assert f"{lost} entries are lost" in seen.detail
    (aside,) = (tmp_path / "data").glob(f"{NAME}.damaged-*")
    assert aside.name in seen.detail
    assert aside.read_bytes() == bytes(data)
    assert (await bench.outbox.recount()).agrees
    assert await filters.OutboxFilters(bench.outbox).load() == ["iot/devices/+/data"]
    assert await bench.outbox.read(settings_of) == NEW
    assert await bench.outbox.read(lambda found: found.execute("SELECT * FROM predecessor").fetchall()) == [
        (written.epoch,)
    ]
    await bench.outbox.close()


async def test_latest_values_hear_of_rows_that_are_numbered_anew(tmp_path: Path) -> None:
    """Killed before a checkpoint spoke of its rows, then damaged: their values are still shown, with those kept."""
    bench = await opened(tmp_path / "data")
    await bench.samples("d1", 1)
    await bench.outbox.flush()
    await bench.samples("d1", 2, ts_ns=NOW + 1)
    await bench.samples("d2", 3)
    shutil.copytree(tmp_path / "data", tmp_path / "killed")
    await bench.outbox.close()
    path = tmp_path / "killed" / NAME
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        assert connection.execute("SELECT seq FROM checkpoint").fetchone() == (1,)
        connection.execute("UPDATE books SET stored = -5")
    again = await opened(tmp_path / "killed")
    assert again.outbox.epoch != bench.outbox.epoch
    shown = {device_id: latest.values for device_id, latest in again.board.waiting(10).items()}
    assert shown == {"d1": {"a": 2.0}, "d2": {"a": 3.0}}
    await again.outbox.close()


def settings_of(connection: sqlite3.Connection) -> list[object]:
    return [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_size", "auto_vacuum", "journal_mode")]


def test_a_new_file_has_large_pages_and_gives_them_back(tmp_path: Path) -> None:
    """As its promises on disk and speed need it; to prepare it again, as each start does, changes nothing."""
    for _ in range(2):
        with closing(sqlite3.connect(tmp_path / NAME)) as connection:
            tables.prepare(connection)
            assert settings_of(connection) == NEW
            assert connection.execute("PRAGMA synchronous").fetchone() == (2,)


async def test_messages_that_wait_to_be_judged_go_on(tmp_path: Path) -> None:
    """Each sound one is an entry of the spool still; one whose checksum doesn't hold is lost, and counted."""
    bench = await opened(tmp_path / "data")
    await bench.samples("d1", 1)
    group = Group()
    for number in range(3):
        group.hold(Message(f"iot/devices/n{number}/data", b"{}", NOW))
    await bench.outbox.commit(group, [])
    assert bench.outbox.books["spooled"] == 4
    await bench.outbox.read(lambda found: found.execute("UPDATE pending SET payload = x'5b5d' WHERE message = 2"))
    await bench.outbox.close()
    again = await opened(tmp_path / "data")
    assert "1 entries are lost" in again.health["outbox_file"].detail
    waiting = await again.outbox.read(lambda found: pending.oldest(found, 1_000))
    assert [one.topic for one in waiting] == ["iot/devices/n0/data", "iot/devices/n2/data"]
    assert (again.outbox.books["spooled"], again.outbox.books["dead_lettered"]) == (3, 1)
    assert (await again.outbox.recount()).agrees
    await again.outbox.close()


async def test_a_log_that_is_cut_or_gone_begins_a_new_epoch(written: Written, tmp_path: Path) -> None:
    """Otherwise the numbers of what was lost would be given again, and live would take new readings for old ones."""
    for name, spoil in (
        ("gone", lambda log: log.unlink()),
        ("cut", lambda log: os.truncate(log, log.stat().st_size // 2)),
        ("head", lambda log: os.truncate(log, 20)),
    ):
        path = copy(written.killed, tmp_path / name)
        spoil(damage.beside(path, "-wal"))
        bench = await opened(tmp_path / name)
        assert bench.outbox.epoch != written.epoch, name
        assert "frames of its log" in bench.health["outbox_file"].detail
        assert (await bench.outbox.recount()).agrees
        await bench.outbox.close()


async def test_a_log_whose_index_is_gone_tells_its_own_damage(written: Written, tmp_path: Path) -> None:
    """After a power cut only its own marks say how far it went; a head that makes no sense is damage too."""
    for position in (10, 24, 100_000):
        path = copy(written.killed, tmp_path / f"at{position}")
        damage.beside(path, "-shm").unlink()
        log = damage.beside(path, "-wal")
        data = bytearray(log.read_bytes())
        data[position] ^= 1
        log.write_bytes(data)
        bench = await opened(tmp_path / f"at{position}")
        assert bench.outbox.epoch != written.epoch
        await bench.outbox.close()


async def test_a_file_that_was_deleted_is_begun_anew(written: Written, tmp_path: Path) -> None:
    """A new epoch; a log that was left behind is set aside, not deleted as SQLite would; a lock file means nothing."""
    path = copy(written.killed, tmp_path / "data")
    left = damage.beside(path, "-wal").read_bytes()
    path.unlink()
    assert (tmp_path / "data" / "ingest.lock").exists()
    bench = await opened(tmp_path / "data")
    assert bench.outbox.epoch != written.epoch
    assert "its log is left" in bench.health["outbox_file"].detail
    (aside,) = (tmp_path / "data").glob("*damaged*-wal")
    assert aside.read_bytes() == left
    assert (await bench.samples("d1", 1)).seq == 1
    await bench.outbox.close()
    path.unlink()
    again = await opened(tmp_path / "data")
    assert "outbox_file" not in again.health.snapshot()
    await again.outbox.close()


async def test_a_file_that_is_no_outbox_is_set_aside(tmp_path: Path) -> None:
    """With every byte of it: somebody may want to look."""
    (tmp_path / NAME).write_bytes(b"something else" * 1_000)
    bench = await opened(tmp_path)
    assert "not a database" in bench.health["outbox_file"].detail
    assert "an unknown number of entries are lost" in bench.health["outbox_file"].detail
    (aside,) = list_damaged(tmp_path)
    assert aside.read_bytes() == b"something else" * 1_000
    assert (await bench.samples("d1", 1)).seq == 1
    await bench.outbox.close()


async def test_a_row_that_is_damaged_while_it_runs_stops_nobody(tmp_path: Path) -> None:
    """Its bytes are kept apart, its entries become a dead letter, the rows behind it are stored, the books balance."""
    bench = await opened(tmp_path)
    for value in (1, 2, 3):
        await bench.samples("d1", value, value, ts_ns=NOW + value * 10)
    await bench.outbox.read(
        lambda found: found.execute("UPDATE spool SET body = CAST(replace(body, '2.0', '9.0') AS BLOB) WHERE seq = 2")
    )
    store = FailingStore()
    await stored(bench, store)
    assert sorted(row[3] - NOW for row in store.stored) == [10, 11, 30, 31]
    assert "row 2" in bench.health["outbox_file"].detail
    assert (bench.outbox.books["stored"], bench.outbox.books["dead_lettered"]) == (4, 2)
    ((seq, body),) = await bench.outbox.read(lambda found: found.execute("SELECT seq, body FROM isolated").fetchall())
    assert seq == 2
    assert b"9.0" in body
    assert (await bench.outbox.recount()).agrees
    assert (await bench.samples("d1", 4)).seq == 4
    await bench.outbox.close()
    again = await opened(tmp_path)
    assert "outbox_file" not in again.health.snapshot()
    await again.outbox.close()


async def test_a_row_whose_count_is_damaged_too_moves_no_books(tmp_path: Path) -> None:
    """What can't be counted is not guessed; its bytes are kept all the same."""
    bench = await opened(tmp_path)
    await bench.samples("d1", 1, 2)
    await bench.outbox.read(lambda found: found.execute("UPDATE spool SET entries = x'ff'"))
    moves = await bench.outbox.read(lambda found: isolation.isolate(found, 1))
    assert not any(moves.values())
    rows = await bench.outbox.read(lambda found: found.execute("SELECT seq, entries FROM isolated").fetchall())
    assert rows == [(1, b"\xff")]
    await bench.outbox.close()


async def test_a_damaged_row_on_a_disk_that_takes_nothing_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is tried again, and the process lives on."""
    monkeypatch.setattr("services.ingest.outbox._LOOK_FOR_ROOM_S", 0.01)
    bench = await opened(tmp_path)
    await bench.samples("d1", 1)
    await bench.outbox.read(lambda found: found.execute("UPDATE spool SET crc = 1"))
    await bench.outbox.read(lambda found: found.execute("PRAGMA query_only=ON").fetchall())
    reading = asyncio.create_task(bench.outbox.rows(0, 10))
    await eventually_async(lambda: told(bench))
    assert not reading.done()
    await bench.outbox.read(lambda found: found.execute("PRAGMA query_only=OFF").fetchall())
    assert await asyncio.wait_for(reading, 5) == []
    await bench.outbox.close()


async def told(bench: Bench) -> bool:
    return "outbox_file" in bench.health.snapshot()


@pytest.mark.parametrize("cut", ["_swap", "_carry_over"])
async def test_a_salvage_that_is_killed_is_done_at_the_next_start(
    written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: str
) -> None:
    """Before the new file is complete the old one is untouched; after that it only has to be put in its place."""
    path = copy(written.closed, tmp_path / "data")
    blank(path, random.Random(3), 5)
    expected = readable(path)

    def killed(*_given: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(salvage, cut, killed)
    with pytest.raises(KeyboardInterrupt):
        salvage.mend(path, lambda _connection: None) if cut == "_carry_over" else Bench(
            tmp_path / "data"
        ).outbox._file.open()
    monkeypatch.undo()
    bench = await opened(tmp_path / "data")
    assert [row.body for row in await all_rows(bench)] == [body for body in written.bodies if body in set(expected)]
    assert (await bench.outbox.recount()).agrees
    await bench.outbox.close()
    assert len(list((tmp_path / "data").glob("*.damaged-*"))) == 1
    assert not list((tmp_path / "data").glob("*.salvag*"))


async def test_a_disk_that_fails_is_not_taken_for_a_damaged_file(
    written: Written, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is set aside for what a mended disk mends."""
    path = copy(written.closed, tmp_path / "data")

    def fails(_path: Path) -> sqlite3.Connection:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR_READ
        raise error

    monkeypatch.setattr(damage, "read_only", fails)
    with pytest.raises(OutboxFull, match="disk I/O error"):
        damage.find_damage(path)
    bench = Bench(tmp_path / "data")
    with pytest.raises(OutboxFull):
        bench.outbox._file.open()
    with pytest.raises(Refusal, match=r"disk I/O error: make room on the disk of .*data, or mend it"):
        await ingest(read_all(data_dir=tmp_path / "data", health_port=0), asyncio.Event())
    monkeypatch.undo()
    assert not list((tmp_path / "data").glob("*damaged*"))
    os.close(hold(tmp_path / "data" / "ingest.lock"))  # let go of


async def test_a_directory_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    """Before anything is touched, with what to do about it."""
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Refusal, match=r"file/data can't be written \(Not a directory\): mend its disk") as refused:
        hold(tmp_path / "file" / "data" / "ingest.lock")
    assert refused.value.code == ExitCode.DIED
    with pytest.raises(Refusal, match=r"file/data can't be written \(Not a directory\): mend its disk"):
        await ingest(read_all(data_dir=tmp_path / "file" / "data", health_port=0), asyncio.Event())


async def test_books_that_make_no_sense_are_counted_anew(written: Written, tmp_path: Path) -> None:
    """Then `received` is what was carried over; nobody knows how much was lost, and that is what it says."""
    path = copy(written.closed, tmp_path / "data")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE books SET stored = -5")
    bench = await opened(tmp_path / "data")
    books = bench.outbox.books
    assert books["received"] == books["spooled"] + books["dead_lettered"] > ROWS
    assert "an unknown number" in bench.health["outbox_file"].detail
    assert (await bench.outbox.recount()).agrees
    assert {name: books[name] for name in COLUMNS if name == "stored"} == {"stored": 0}
    await bench.outbox.close()


async def test_tables_of_another_version_go_on_too(written: Written, tmp_path: Path) -> None:
    """Whatever tables there are: their rows are copied, whether their key is a number or a text."""
    path = copy(written.closed, tmp_path / "data")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE of_tomorrow (command_id TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID")
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO of_tomorrow VALUES (?, ?)", [(f"c{n}", n) for n in range(2_000)])
        connection.execute("COMMIT")
        (root,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'dirty'").fetchone()
    data = bytearray(path.read_bytes())
    size = page_size(path)
    data[(root - 1) * size : root * size] = bytes(size)
    path.write_bytes(data)
    bench = await opened(tmp_path / "data")
    kept = await bench.outbox.read(lambda found: found.execute("SELECT count(*) FROM of_tomorrow").fetchone())
    assert kept == (2_000,)
    assert await bench.outbox.read(backlog.latest) == {}
    assert len((await bench.outbox.read(backlog.registry)).devices) == 20
    assert len(await all_rows(bench)) == ROWS
    assert bench.outbox.books["dead_lettered"] == ROWS // 5
    await bench.outbox.close()


async def test_a_map_that_only_deleting_needs_is_looked_at_too(written: Written, tmp_path: Path) -> None:
    """Every row can be read, and giving pages back would end the process at each start; mending it loses nothing."""
    path = copy(written.closed, tmp_path / "data")
    data = bytearray(path.read_bytes())
    size = page_size(path)
    data[size : 2 * size] = bytes(size)
    path.write_bytes(data)
    bench = await opened(tmp_path / "data")
    assert "0 entries are lost" in bench.health["outbox_file"].detail
    assert len(await all_rows(bench)) == ROWS
    await stored(bench, FailingStore())
    await bench.outbox.read(lambda found: found.executescript("PRAGMA incremental_vacuum(1000)"))
    await bench.outbox.close()


async def test_a_row_that_makes_no_sense_ends_nobody(written: Written, tmp_path: Path) -> None:
    """A flipped byte that SQLite doesn't see, in what is read at each start: that row is dropped, the others go on."""
    path = copy(written.closed, tmp_path / "data")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("""UPDATE dirty SET "values" = CAST('{"a":' AS BLOB) WHERE device_id = 'd3'""")
        connection.execute("UPDATE dead SET topic = CAST(x'ff41' AS TEXT) WHERE letter = 1")
    bench = await opened(tmp_path / "data")
    assert len(await bench.outbox.read(backlog.latest)) == 19
    assert len(await bench.outbox.read(lambda found: backlog.letters(found, 1_000))) == ROWS // 5
    assert (await bench.outbox.recount()).agrees
    await bench.outbox.close()


def test_a_table_is_read_around_its_bad_pages(tmp_path: Path) -> None:
    """Between two pages that can't be read lie others that can: a gap is halved until they are found."""
    path = tmp_path / "numbers"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.execute("CREATE TABLE numbers (number INTEGER PRIMARY KEY, text TEXT NOT NULL)")
        connection.executemany("INSERT INTO numbers VALUES (?, ?)", [(n, "x" * 100) for n in range(1, 3_001)])
        connection.execute("COMMIT")
    data = bytearray(path.read_bytes())
    leaves = [at for at in range(page_size(path), len(data), page_size(path)) if data[at] == 13]
    spoiled = [leaves[0], leaves[20], leaves[40], leaves[-1]]
    lost = sum(struct.unpack_from(">H", data, at + 3)[0] for at in spoiled)
    for at in spoiled:
        data[at : at + 100] = b"\xff" * 100
    path.write_bytes(data)
    with closing(damage.read_only(path)) as connection:
        found = [row["number"] for row in scan.rows(connection, scan.table(connection, connection, "numbers")) if row]
    assert len(found) == 3_000 - lost
    assert found == sorted(found)
