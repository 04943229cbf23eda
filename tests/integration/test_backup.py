"""A whole system into a file and out of it again: onto other databases and stores, broken off, damaged, refused."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from stat import S_IMODE
from typing import Any
from unittest.mock import AsyncMock, Mock

import orjson
import pytest
from rich.progress import Progress
from sqlalchemy import insert, text

from services.ingest.lock import hold
from shared.database.migrations.upgrade import move, newest_revision, upgrade
from shared.database.tables import audit, devices, metadata, profiles, users
from shared.process import Refusal
from shared.readings import Reading
from shared.times import iso_ns
from shared.timeseries.settings import StoreSettings
from shared.timeseries.store import Denied, Refused, Unavailable
from telemetrio.backup import archive, command, history, relational, restore, system, take
from telemetrio.backup.archive import Damaged, Part, Writer, parts_of
from telemetrio.backup.bookmark import Bookmark
from telemetrio.backup.check import check
from telemetrio.backup.manifest import DATABASE, HEADER, MANIFEST, Entry, Header, Manifest, Tables, rows_of
from telemetrio.backup.system import System, opened
from telemetrio.backup.take import Wanted
from tests.fakes.batches import write
from tests.integration import backup_rig as rig
from tests.integration.backup_rig import backed_up, contents, restored, settings
from tests.peers.influxdb import Influxd
from tests.peers.postgres import Cluster


@pytest.fixture(scope="module")
def influxd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Influxd]:
    server = Influxd(tmp_path_factory.mktemp("influxd"))
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> StoreSettings:
    """A filled system on files, which every test only reads."""
    chosen = settings(tmp_path_factory.mktemp("source") / "data")
    asyncio.run(filled(chosen))
    return chosen


async def filled(chosen: StoreSettings) -> None:
    async with opened(chosen) as made:
        await rig.fill(made)


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that little data are many parts, and nobody is patient."""
    monkeypatch.setattr(archive, "PART_ROWS", 7)
    monkeypatch.setattr(history, "_PAGE", 10)
    monkeypatch.setattr(system, "_WAITS_S", ())


def whole(file: Path) -> Manifest:
    return check(file, Progress(disable=True)).manifest


def listed(file: Path) -> list[Part]:
    with file.open("rb") as opened_file:
        return list(parts_of(opened_file))


@pytest.mark.peer("postgres")
@pytest.mark.peer("influxd")
@pytest.mark.parametrize("per_user", [False, True], ids=["one bucket", "a bucket per user"])
async def test_from_files_to_servers_and_back(
    source: StoreSettings, shared_cluster: Cluster, influxd: Influxd, tmp_path: Path, *, per_user: bool
) -> None:
    """Every row of every table, every reading and what is known of late ones is equal on each side, and ids go on."""
    for name in [f"there{per_user}_1", f"there{per_user}_2"] if per_user else ["thereFalse"]:
        influxd.query(f"CREATE DATABASE {name}")
    there = settings(
        tmp_path / "there",
        database_url=await shared_cluster.fresh(),
        influxdb_url=influxd.url,
        influxdb_bucket=f"there{per_user}",
        influxdb_bucket_per_user=per_user,
    )
    back = settings(tmp_path / "back")
    first, second = tmp_path / "first.tar", tmp_path / "second.tar"
    parts = await backed_up(first, source)
    assert (await restored(first, there)).refused == 0
    assert contents(await backed_up(second, there)) == contents(parts)
    await restored(second, back)
    seen = []
    for each in (source, there, back):
        async with opened(each) as made:
            seen.append(await rig.everything(made))
    assert seen[1] == seen[0]
    assert seen[2] == seen[0]
    for each in (there, back):
        async with opened(each) as made, made.engine.begin() as connection:
            row = {"name": "next", "created_ns": 0}
            assert (await connection.execute(insert(users).values(row).returning(users.c.id))).scalar_one() == 4


@pytest.mark.parametrize("kind", ["files", pytest.param("servers", marks=pytest.mark.peer("postgres"))])
@pytest.mark.parametrize(("named", "expected"), [((40, 1, 0), 41), ((1, 50, 0), 51), ((1, 1, 60), 61)])
async def test_the_id_of_a_user_who_is_gone_is_not_given_again(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, named: tuple[int, int, int], expected: int
) -> None:
    """Whoever is named by the audit or by readings alone, or was of the system that is replaced."""
    audit_of, readings_of, given = named
    async with opened(settings(tmp_path / "source")) as made:
        await upgrade(made.engine)
        async with made.engine.begin() as connection:
            await connection.execute(insert(users), {"name": "admin", "created_ns": 1})
            row = {"ts_ns": 1, "user_id": audit_of, "event": "e", "subject": "s", "address": "a", "outcome": "ok"}
            await connection.execute(insert(audit), row)
        await write(made.store, [Reading("a", readings_of, "m", rig.BEGIN_NS, {"t": 1.0})])
    await backed_up(tmp_path / "a.tar", settings(tmp_path / "source"))
    servers = {"database_url": await request.getfixturevalue("shared_cluster").fresh()} if kind == "servers" else {}
    target = settings(tmp_path / "target", **servers)
    async with opened(target) as made:
        await upgrade(made.engine)
        async with made.engine.begin() as connection:
            if given and servers:
                await connection.execute(text(f"SELECT setval('users_id_seq', {given})"))
            elif given:
                await connection.execute(insert(users), {"id": given, "name": "gone", "created_ns": 1})
    await restored(tmp_path / "a.tar", target, replace=True)
    async with opened(target) as made, made.engine.begin() as connection:
        made_now = insert(users).values(name="next", created_ns=0).returning(users.c.id)
        assert (await connection.execute(made_now)).scalar_one() == expected


@pytest.mark.peer("postgres")
async def test_the_order_of_texts_is_nobodys_locale(shared_cluster: Cluster, tmp_path: Path) -> None:
    """By their bytes on both databases, so that equal systems have equal parts."""
    names = ["Zoe", "ann", "_x", "\u00e9t\u00e9", "a b", "A", "b"]
    parts = []
    for each in (settings(tmp_path / "a"), settings(tmp_path / "b", database_url=await shared_cluster.fresh())):
        async with opened(each) as made:
            await upgrade(made.engine)
            async with made.engine.begin() as connection:
                if made.engine.dialect.name == "postgresql":
                    await connection.execute(
                        text('ALTER TABLE profiles ALTER name TYPE varchar(64) COLLATE "en-x-icu"')
                    )
                rows = [{"name": name, "document": {}, "updated_ns": 1} for name in names]
                await connection.execute(insert(profiles), rows)
        parts.append(await backed_up(each.data_dir / "x.tar", each))
    assert parts[0] == parts[1]


async def test_every_table_is_in_it(source: StoreSettings, tmp_path: Path) -> None:
    """Also one that is added tomorrow: what is written is what shared.database.tables names."""
    parts = await backed_up(tmp_path / "a.tar", source)
    assert {relational.folder_of(name) for name in metadata.tables} <= {
        entry.name.rpartition("/")[0] for entry in parts
    }
    assert rows_of(parts, history.READINGS) == len(rig.readings())
    assert rows_of(parts, history.LATE) == len(rig.NOTES)


async def moment_of(chosen: StoreSettings) -> None:
    async with opened(chosen) as made:
        await rig.fill(made)
        async with relational.one_moment(made.engine) as connection:
            before = [line async for line in relational.lines_of(connection, users)]
            async with made.engine.begin() as other:
                await other.execute(insert(users), {"id": 77, "name": "meanwhile", "created_ns": 0})
            assert [line async for line in relational.lines_of(connection, users)] == before
        assert len((await rig.tables(made))["users"]) == len(before) + 1


async def test_it_is_one_moment_of_a_file(tmp_path: Path) -> None:
    """What others write meanwhile is not seen, and they don't wait."""
    await moment_of(settings(tmp_path / "data"))


@pytest.mark.peer("postgres")
async def test_it_is_one_moment_of_postgresql(shared_cluster: Cluster, tmp_path: Path) -> None:
    """The same there."""
    await moment_of(settings(tmp_path / "data", database_url=await shared_cluster.fresh()))


async def test_it_holds_hashes_and_is_its_owners_alone(source: StoreSettings, tmp_path: Path) -> None:
    """The file can't be read by others at any time, whatever was there before."""
    (tmp_path / "a.tar.partial").touch(0o666)
    await backed_up(tmp_path / "a.tar", source)
    assert S_IMODE((tmp_path / "a.tar").stat().st_mode) == 0o600
    assert not (tmp_path / "a.tar.partial").exists()


async def test_a_range_of_time(source: StoreSettings, tmp_path: Path) -> None:
    """From --start, inclusive, up to --end, exclusive; the relational data are whole."""
    wanted = Wanted("2026-01-01T12:00:01.000000007Z", "2026-01-01T12:00:03.000000021Z")
    parts = await backed_up(tmp_path / "a.tar", source, wanted)
    times = [rig.BEGIN_NS + 1_000_000_007, rig.BEGIN_NS + 2 * 1_000_000_007]
    expected = [each for each in rig.readings() if each.ts_ns in times]
    found = [
        each
        for part in listed(tmp_path / "a.tar")
        if part.folder == history.READINGS
        for each in history.decoded(part.lines)
    ]
    assert len(found) == len(expected)
    assert {each.ts_ns for each in found} == set(times)
    assert rows_of(parts, relational.folder_of("users")) == 3
    with pytest.raises(Refusal, match="--start must be before --end"):
        await backed_up(tmp_path / "b.tar", source, Wanted("now", "-1h"))
    with pytest.raises(Refusal, match="--end: not an ISO 8601 time"):
        await backed_up(tmp_path / "c.tar", source, Wanted("", "yesterday"))


async def test_a_system_that_stands_still_is_taken_whole(source: StoreSettings, tmp_path: Path) -> None:
    """What a clock that goes ahead has stamped is left for later while somebody works there, and only then."""
    chosen = settings(tmp_path / "data")
    async with opened(chosen) as made:
        await upgrade(made.engine)
        await write(made.store, [Reading("a", 1, "m", 2**62, {"t": 1.0})])
    (tmp_path / "data" / "ingest.outbox").touch()
    lock = hold(tmp_path / "data" / "ingest.lock")
    assert rows_of(await backed_up(tmp_path / "working.tar", chosen), history.READINGS) == 0
    with open(lock):  # noqa: ASYNC230, PTH123 - closes it
        pass
    assert rows_of(await backed_up(tmp_path / "still.tar", chosen), history.READINGS) == 1


@pytest.mark.usefixtures("small_parts")
async def test_a_backup_that_broke_off_goes_on(source: StoreSettings, tmp_path: Path) -> None:
    """Wherever it was cut, even in the middle of a part, it ends as if nothing had been."""
    expected = await backed_up(tmp_path / "whole.tar", source)
    data = (tmp_path / "whole.tar").read_bytes()
    places = [part.begin for part in listed(tmp_path / "whole.tar")][::11]
    for number, place in enumerate([0, *places, len(data) - 700, len(data)]):
        file = tmp_path / f"{number}.tar"
        file.with_name(f"{file.name}.partial").write_bytes(data[: place + 700])
        assert contents(await backed_up(file, source)) == contents(expected)
        assert contents(whole(file).parts) == contents(expected)


@pytest.mark.usefixtures("small_parts")
async def test_it_goes_on_and_does_not_begin_anew(source: StoreSettings, tmp_path: Path) -> None:
    """What is there already is not read again, and of the relational data it stays the same moment."""
    await backed_up(tmp_path / "whole.tar", source)
    readings = [part for part in listed(tmp_path / "whole.tar") if part.folder == history.READINGS]
    data = (tmp_path / "whole.tar").read_bytes()
    (tmp_path / "a.tar.partial").write_bytes(data[: readings[20].end + 100])
    await backed_up(tmp_path / "a.tar", source)
    assert (tmp_path / "a.tar").read_bytes()[: readings[20].end] == data[: readings[20].end]
    header = {part.name: part.data for part in listed(tmp_path / "a.tar")}[HEADER]
    assert header == listed(tmp_path / "whole.tar")[0].data


async def test_it_goes_on_only_with_what_was_asked(source: StoreSettings, tmp_path: Path) -> None:
    """Another range, another system, a name that is taken and a second backup at once are refused, with the mend."""
    await backed_up(tmp_path / "whole.tar", source)
    (tmp_path / "a.tar.partial").write_bytes((tmp_path / "whole.tar").read_bytes())
    with pytest.raises(Refusal, match=r"another range of time: .*delete a\.tar\.partial"):
        await backed_up(tmp_path / "a.tar", source, Wanted("-1d"))
    with pytest.raises(Refusal, match="another system"):
        await backed_up(tmp_path / "a.tar", settings(tmp_path / "other"))
    with pytest.raises(Refusal, match="exists"):
        await backed_up(tmp_path / "whole.tar", source)
    with take._held(tmp_path / "a.tar.partial"), pytest.raises(Refusal, match="another backup"):
        await backed_up(tmp_path / "a.tar", source)


async def test_what_waits_in_the_outbox_is_said(
    source: StoreSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is in no archive: whoever moves a system must know."""
    with command.bars() as progress:
        async with opened(source) as made:
            await take.take(tmp_path / "a.tar", Wanted(), made, progress)
    assert f"{3 * 2**60 + 6} entries wait in the outbox" in capsys.readouterr().err


async def test_a_directory_with_nothing_in_it_is_no_system(tmp_path: Path) -> None:
    """A slip of the pen gives no empty archive."""
    with pytest.raises(Refusal, match="no tables"):
        await backed_up(tmp_path / "a.tar", settings(tmp_path / "empty"))


@pytest.mark.usefixtures("small_parts")
async def test_damage_is_refused_and_named(source: StoreSettings, tmp_path: Path) -> None:
    """One bit anywhere, a part that is missing, added or moved, an end that is missing: nothing of it is restored."""
    file, bad = tmp_path / "a.tar", tmp_path / "bad.tar"
    await backed_up(file, source)
    data, parts = file.read_bytes(), listed(file)
    for part in parts[1:-1:9]:
        damaged = bytearray(data)
        damaged[part.begin + 512 + len(part.data) // 2] ^= 1
        bad.write_bytes(damaged)
        with pytest.raises(Damaged, match=part.name):
            whole(bad)
    before, third = parts[1], parts[2]
    for changed, told in (
        (data[: third.begin] + b"x" + data[third.begin + 1 :], f"behind {before.name}"),
        (data[: third.end - 1], f"in the middle of {third.name}"),
        (data[: third.end], f"behind {third.name}"),
        (data[: parts[-1].begin] + bytes(1024), f"no {MANIFEST}"),
        (data[: third.begin] + data[third.end :], f"{third.name} is missing"),
        (data[: third.end] + data[before.begin :], "is not the part"),
        (b"", "behind its beginning"),
    ):
        bad.write_bytes(changed)
        with pytest.raises(Damaged, match=told):
            whole(bad)
    bad.write_bytes(data[: third.end - 1])
    target = settings(tmp_path / "target")
    with pytest.raises(Damaged):
        await restored(bad, target)
    assert list((tmp_path / "target").glob("*.restoring")) == []


async def test_only_an_empty_system_is_restored_into(source: StoreSettings, tmp_path: Path) -> None:
    """One that was only started is empty; what somebody made is kept, unless --replace says otherwise."""
    file = tmp_path / "a.tar"
    await backed_up(file, source)
    target = settings(tmp_path / "target")
    async with opened(target) as made:
        await upgrade(made.engine)
        async with made.engine.begin() as connection:
            await connection.execute(insert(users), {"name": "admin", "created_ns": 1})
            row = {"device_id": "mine", "name": "n", "user_id": 1, "profile": "open", "created_ns": 1}
            await connection.execute(insert(devices), row)
        await write(made.store, [Reading("mine", 1, "m", rig.BEGIN_NS, {"t": 1.0})])
    with pytest.raises(Refusal, match=r"1 rows in devices, readings of 1 devices.*--replace"):
        await restored(file, target)
    await restored(file, target, replace=True)
    async with opened(target) as made, opened(source) as original:
        assert await rig.everything(made) == await rig.everything(original)
        assert len(await rig.history(made, ["mine"])) == 1


async def test_nobody_may_work_there_meanwhile(source: StoreSettings, tmp_path: Path) -> None:
    """A directory in which ingest runs is refused, and held until the restore ends."""
    await backed_up(tmp_path / "a.tar", source)
    target = settings(tmp_path / "target")
    lock = hold(tmp_path / "target" / "ingest.lock")
    with pytest.raises(Refusal, match="in use by another telemetrio"):
        await restored(tmp_path / "a.tar", target)
    with open(lock):  # noqa: ASYNC230, PTH123 - closes it
        pass
    await restored(tmp_path / "a.tar", target)


@pytest.mark.usefixtures("small_parts")
async def test_a_restore_that_broke_off_goes_on(
    source: StoreSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the part that was under way, the relational data untouched, and into an equal system."""
    file, target = tmp_path / "a.tar", settings(tmp_path / "target")
    await backed_up(file, source)
    load = Mock(wraps=relational.load)
    monkeypatch.setattr(relational, "load", load)
    async with opened(target) as made:
        failing = on(made, Breaking(made.store, 12))
        with pytest.raises(Unavailable):
            await restore.restore(file, replace=False, system=failing, progress=Progress(disable=True))
        assert Bookmark.of(file, check(file, Progress(disable=True)).header.id, made.digest).parts == 12
        broken = Breaking(made.store, 10_000)
        await restore.restore(file, replace=False, system=on(made, broken), progress=Progress(disable=True))
    load.assert_called_once()
    assert broken.writes == -(-len(rig.readings()) // 7) - 12
    async with opened(target) as made, opened(source) as original:
        assert await rig.everything(made) == await rig.everything(original)
    assert not Bookmark.of(file, "x", "y").path.exists()


@pytest.mark.usefixtures("small_parts")
async def test_a_restore_killed_at_its_commit_goes_on(source: StoreSettings, tmp_path: Path) -> None:
    """What it finds is what it has written itself; what somebody made meanwhile is not touched."""
    file, target = tmp_path / "a.tar", settings(tmp_path / "target")
    await backed_up(file, source)
    await restored(file, target)
    seen = check(file, Progress(disable=True))
    async with opened(target) as made:
        mark = Bookmark(file.with_name("a.tar.restoring"), seen.header.id, made.digest, begun=True)
    mark.save()
    await restored(file, target)
    async with opened(target) as made, made.engine.begin() as connection:
        row = {"device_id": "mine", "name": "n", "user_id": 1, "profile": "open", "created_ns": 1}
        await connection.execute(insert(devices), row)
    mark.save()
    with pytest.raises(Refusal, match="4 rows in devices"):
        await restored(file, target)


def on(made: system.System, store: Any) -> system.System:
    """The same with another store."""
    return made._replace(store=store)


class Breaking:
    """A store that is away after so many writes."""

    def __init__(self, store: Any, number: int) -> None:
        self._store = store
        self._number = number
        self.writes = 0

    async def write(self, batches: Any) -> None:
        if self.writes == self._number:
            raise Unavailable("away")
        self.writes += 1
        await self._store.write(batches)


class Refusing(Breaking):
    """A store that takes all but the first reading of each write."""

    async def write(self, batches: Any) -> None:
        await super().write(batches)
        raise Refused([(0, "no")])


@pytest.mark.usefixtures("small_parts")
async def test_what_the_store_refuses_is_kept_beside_the_archive(source: StoreSettings, tmp_path: Path) -> None:
    """The others are stored, and whoever restores is told where the rest is."""
    file = tmp_path / "a.tar"
    await backed_up(file, source)
    async with opened(settings(tmp_path / "target")) as made:
        refusing = on(made, Refusing(made.store, 10_000))
        done = await restore.restore(file, replace=False, system=refusing, progress=Progress(disable=True))
    firsts = [history.decoded(part.lines)[0] for part in listed(file) if part.folder == history.READINGS]
    assert done.refused == len(firsts)
    rows = [orjson.loads(line) for line in done.rest.read_bytes().splitlines()]
    assert [(row["device_id"], row["timestamp"], row["measurement"], row["values"]) for row in rows] == [
        (each.device_id, iso_ns(each.ts_ns), each.measurement, each.values) for each in firsts
    ]


@pytest.mark.usefixtures("small_parts")
async def test_what_is_refused_is_kept_once(source: StoreSettings, tmp_path: Path) -> None:
    """Killed between the part and the word of it, and after another restore has left a file of its own."""
    file, rest = tmp_path / "a.tar", tmp_path / "a.tar.refused.ndjson"
    await backed_up(file, source)
    rest.write_bytes(b"of another restore\n")
    async with opened(settings(tmp_path / "target")) as made:
        failing = on(made, Refusing(made.store, 3))
        with pytest.raises(Unavailable):
            await restore.restore(file, replace=False, system=failing, progress=Progress(disable=True))
        with rest.open("ab") as out:
            out.write(b"of a part that no bookmark has\n")
        refusing = on(made, Refusing(made.store, 10_000))
        done = await restore.restore(file, replace=False, system=refusing, progress=Progress(disable=True))
    lines = rest.read_bytes().splitlines()
    assert len(set(lines)) == len(lines) == done.refused


class Killed(BaseException):
    """What no handler takes for an error."""


def killed_at(moment: int, patch: pytest.MonkeyPatch) -> Callable[[System], System]:
    """The process ends at this moment of a restore: before or after it wrote anything anywhere."""
    left = [moment]

    def pass_moment() -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Killed

    def fragile(write: Callable[..., Any]) -> Callable[..., Any]:
        def written(*args: Any) -> None:
            pass_moment()
            write(*args)
            pass_moment()

        return written

    for owner, name in ((Bookmark, "save"), (restore._Readings, "_keep")):
        patch.setattr(owner, name, fragile(getattr(owner, name)))

    class Fragile(Refusing):
        async def write(self, batches: Any) -> None:
            pass_moment()
            try:
                await super().write(batches)
            finally:
                pass_moment()

    return lambda made: on(made, Fragile(made.store, 10_000))


@pytest.mark.usefixtures("small_parts")
async def test_what_is_refused_is_kept_once_whenever_it_is_killed(source: StoreSettings, tmp_path: Path) -> None:
    """Killed at its first moment, then at its second, and so on to its end: no row is twice or missing."""
    file, kills, done = tmp_path / "a.tar", 0, None
    await backed_up(file, source)
    async with opened(settings(tmp_path / "target")) as made:
        while done is None:
            with pytest.MonkeyPatch.context() as patch, suppress(Killed):
                fragile = killed_at(kills, patch)(made)
                done = await restore.restore(file, replace=False, system=fragile, progress=Progress(disable=True))
            kills += done is None
    firsts = [history.decoded(part.lines)[0] for part in listed(file) if part.folder == history.READINGS]
    rows = [orjson.loads(line) for line in done.rest.read_bytes().splitlines()]
    assert kills > 20
    assert done.refused == len(firsts)
    assert [(row["device_id"], row["timestamp"]) for row in rows] == [
        (each.device_id, iso_ns(each.ts_ns)) for each in firsts
    ]


@pytest.mark.usefixtures("small_parts")
@pytest.mark.parametrize("gone", [["telemetrio.db", "readings.db"], ["telemetrio.db"], ["readings.db"]], ids=str)
async def test_a_target_that_was_wiped_is_filled_from_the_beginning(
    source: StoreSettings, tmp_path: Path, gone: list[str]
) -> None:
    """Whatever of it went after a restore broke off: the bookmark beside the archive is not believed."""
    file, target = tmp_path / "a.tar", settings(tmp_path / "target")
    await backed_up(file, source)
    async with opened(target) as made:
        failing = on(made, Breaking(made.store, 12))
        with pytest.raises(Unavailable):
            await restore.restore(file, replace=False, system=failing, progress=Progress(disable=True))
    for name in gone:
        for each in target.data_dir.glob(f"{name}*"):
            each.unlink()
    await restored(file, target)
    async with opened(target) as made, opened(source) as original:
        assert await rig.everything(made) == await rig.everything(original)


def test_a_manifest_may_be_longer_than_a_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has a line for each of hundreds of thousands of parts, and a part has a bound."""
    monkeypatch.setattr(archive, "_LARGEST", 1 << 20)
    entries = [Entry(name=f"readings/{number:08d}.ndjson.gz", rows=5_000, sha256="0" * 64) for number in range(10_000)]
    with (tmp_path / "long.tar").open("wb") as file:
        writer = Writer(file, entries)
        writer.document(MANIFEST, Manifest(finished_ns=1, parts=entries))
        writer.end()
    (part,) = listed(tmp_path / "long.tar")
    assert len(part.data) > archive._LARGEST
    assert part.data.count(b"\n") == 1


def crafted(file: Path, revision: str, rows: dict[str, list[bytes]]) -> None:
    """An archive of another version."""
    header = Header(
        id="x", version="0.0.1", revision=revision, begun_ns=1, start_ns=0, end_ns=2, asked="/", system="elsewhere"
    )
    with file.open("wb") as out:
        writer = Writer(out)
        writer.document(HEADER, header)
        for name, lines in rows.items():
            writer.part(relational.folder_of(name), lines)
        writer.document(DATABASE, Tables(rows={name: len(lines) for name, lines in rows.items()}, spooled=0))
        writer.document(MANIFEST, Manifest(finished_ns=3, parts=writer.entries))
        writer.end()


async def test_an_archive_of_an_older_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its rows go through the migrations that the system itself would have gone through."""
    user = b'{"id":7,"name":"Ann","email":"ann@example.org","role":"admin","created_ns":5}'
    device = b'{"id":3,"device_id":"d","name":"D","user_id":7,"profile":"open","claimed":true,"disabled":false,'
    device += b'"created_ns":1}'
    crafted(tmp_path / "old.tar", "0002", {"users": [user], "devices": [device]})
    target = settings(tmp_path / "target")
    moved = Mock(wraps=move)
    monkeypatch.setattr(relational, "move", moved)
    await restored(tmp_path / "old.tar", target)
    assert [call.args[1] for call in moved.call_args_list] == ["0002", newest_revision()]
    async with opened(target) as made:
        found = await rig.tables(made)
        assert found["users"] == [(7, "Ann", "ann@example.org", "admin", 5, {}, None, False, False)]
        assert [row[:4] for row in found["devices"]] == [(3, "d", "D", 7)]
    crafted(tmp_path / "new.tar", "9999", {"users": [user]})
    with pytest.raises(Refusal, match=r"newer telemetrio, 0\.0\.1"):
        await restored(tmp_path / "new.tar", settings(tmp_path / "other"))


@pytest.mark.peer("postgres")
async def test_postgresql_has_no_nul(shared_cluster: Cluster, tmp_path: Path) -> None:
    """A text of SQLite's with a NUL in it costs that NUL, and not the restore."""
    user = rb'{"id":7,"name":"A\u0000nn","email":null,"role":"user","created_ns":5,"profile":{"k\u0000":["\u0000"]}}'
    crafted(tmp_path / "nul.tar", "0005", {"users": [user]})
    target = settings(tmp_path / "target", database_url=await shared_cluster.fresh())
    await restored(tmp_path / "nul.tar", target)
    async with opened(target) as made:
        (row,) = (await rig.tables(made))["users"]
    assert (row[1], row[5]) == ("A\ufffdnn", {"k\ufffd": ["\ufffd"]})


def test_parts_are_counted_by_folder(tmp_path: Path) -> None:
    """Each folder from one, also by a writer that goes on where another ended."""
    with (tmp_path / "a").open("w+b") as file:
        writer = Writer(file, [Entry(name="readings/00000041.ndjson.gz", rows=1, sha256="")])
        for folder in ("readings", "late", "late"):
            writer.part(folder, [b"1"])
    assert [entry.name[:-10] for entry in writer.entries[1:]] == ["readings/00000042", "late/00000001", "late/00000002"]


@pytest.mark.usefixtures("small_parts")
async def test_a_store_that_may_not_be_looked_at_is_written_again(source: StoreSettings, tmp_path: Path) -> None:
    """As with ingest's own token: what broke off is gone on with from the first part, and all is there once."""
    file, target = tmp_path / "a.tar", settings(tmp_path / "target")
    await backed_up(file, source)
    async with opened(target) as made:
        closed = made._replace(holdings=Mock(wraps=made.holdings, devices=AsyncMock(side_effect=Denied("no reading"))))
        failing = on(closed, Breaking(made.store, 12))
        with pytest.raises(Unavailable):
            await restore.restore(file, replace=True, system=failing, progress=Progress(disable=True))
        await restore.restore(file, replace=True, system=closed, progress=Progress(disable=True))
    async with opened(target) as made, opened(source) as original:
        assert await rig.everything(made) == await rig.everything(original)
