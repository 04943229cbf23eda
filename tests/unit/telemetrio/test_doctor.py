"""What the doctor makes of what it sees: each judgement by itself, without a server."""

import asyncio
import json
import os
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from rich.console import Console

from services.ingest.books import Recount
from services.ingest.outboxfile import OutboxFile
from services.ingest.recount import recount
from shared.books import COLUMNS
from shared.timeseries.influxhttp import Target
from shared.timeseries.store import Denied, Missing, Unavailable
from telemetrio.cli.examine import doctor
from telemetrio.doctor import books, broker, clock, database, proxy, store
from telemetrio.doctor.broker import QUEUED, Limits
from telemetrio.doctor.disk import check_disk
from telemetrio.doctor.examination import NAMES, Report, examine, read_all
from telemetrio.doctor.finding import Finding
from telemetrio.doctor.line import Refused
from telemetrio.doctor.proxy import Watched
from telemetrio.doctor.report import as_json, show

GOOD = Limits(1_000, 1024 * 1024, 86_400, 1, retained=True, shared=True)
TARGET = Target("http://127.0.0.1:8086", "secret-token", "org", "telemetrio")


def mends(found: Sequence[Finding]) -> str:
    return " | ".join(finding.mend for finding in found)


def test_a_broker_that_offers_enough() -> None:
    """Nothing to mend, also without any limit on unacknowledged messages."""
    assert list(broker.judge(GOOD)) == []
    assert list(broker.judge(GOOD._replace(receive_max=65_535))) == []


@pytest.mark.parametrize(
    ("change", "mend"),
    [
        ({"receive_max": 20}, "max_inflight_messages"),
        ({"max_packet_bytes": None}, "max_packet_size 1048576"),
        ({"max_packet_bytes": 2**24}, "max_packet_size 1048576"),
        ({"session_s": 60}, "session_expiry_interval"),
        ({"qos": 0}, "another"),
        ({"retained": False}, "another"),
    ],
)
def test_a_broker_that_offers_too_little(change: dict[str, Any], mend: str) -> None:
    """One finding for each, with the name of the setting."""
    (found,) = broker.judge(GOOD._replace(**change))
    assert mend in found.mend


def test_a_queue_and_a_share_that_lose() -> None:
    """By what came back of what was sent."""
    assert list(broker.judge_queue(QUEUED)) == list(broker.judge_share(40)) == []
    assert "max_queued_messages" in mends(broker.judge_queue(1_000))
    assert "TELEMETRIO_SHARE_GROUP" in mends(broker.judge_share(20))
    assert issubclass(Refused, Exception)


@pytest.mark.parametrize(
    ("error", "fact", "mend"),
    [
        (Missing("404"), "no bucket 'telemetrio'", "influx bucket create -n telemetrio"),
        (Denied("401: unauthorized"), "may not write", "TELEMETRIO_INFLUXDB_TOKEN"),
        (Unavailable("refused"), "can't be used: refused", "TELEMETRIO_INFLUXDB_URL"),
    ],
)
def test_a_store_that_does_not_take_it(error: Unavailable, fact: str, mend: str) -> None:
    """A missing bucket, a wrong token and a dead server are told apart; the token itself is never shown."""
    found = store.judge("write", TARGET, error)
    assert fact in found.found
    assert mend in found.mend
    assert "secret-token" not in str(found)


def test_clocks_that_differ() -> None:
    """By more than seconds, in either direction."""
    assert list(clock.judge("x", 4.9)) == list(clock.judge("x", -4.9)) == []
    assert "3600 s ahead of" in clock.judge("x", 3_600)[0].found
    assert "3600 s behind" in clock.judge("x", -3_600)[0].found


def seen(free_mib: int, flags: int = 0) -> os.statvfs_result:
    """A file system with so much room."""
    return os.statvfs_result((4096, 1 << 20, 0, 0, free_mib, 0, 0, 0, flags, 255))


def test_a_disk_that_is_full_or_read_only(tmp_path: Path) -> None:
    """Of the data directory, or of where it will be."""
    assert list(check_disk(tmp_path / "not" / "yet", 256, lambda _: seen(256))) == []
    (full,) = check_disk(tmp_path, 256, lambda _: seen(255))
    assert f"255 MiB are free at {tmp_path}" in full.found
    (locked,) = check_disk(tmp_path, 256, lambda _: seen(1_000, os.ST_RDONLY))
    assert "may not write" in locked.found


def test_a_folder_that_is_not_ours_to_look_at(tmp_path: Path) -> None:
    """Is a matter of the disk, and of who runs the doctor."""

    def shut(_place: Path) -> os.statvfs_result:
        raise PermissionError(13, "Permission denied")

    (found,) = check_disk(tmp_path, 256, shut)
    assert (found.check, "Permission denied" in found.found) == ("disk", True)
    assert "services" in found.mend


def test_a_database_that_is_a_file_is_mended_as_one(tmp_path: Path) -> None:
    """Nobody is sent to a PostgreSQL that isn't there."""
    (tmp_path / "telemetrio.db").write_bytes(b"no database" * 100)
    report = asyncio.run(examine(read_all(data_dir=tmp_path), [name for name in NAMES if name != "migrations"]))
    (found,) = report.findings
    assert "PostgreSQL" not in found.mend
    assert str(tmp_path / "telemetrio.db") in found.mend


def test_the_database_of_another_version() -> None:
    """None, an older one, a newer one."""
    versions = ["0001", "0002"]
    assert list(database.judge("0002", versions)) == []
    assert "version none" in database.judge(None, versions)[0].found
    assert "telemetrio db upgrade" in database.judge("0001", versions)[0].mend
    assert "does not know" in database.judge("0003", versions)[0].found


def outbox(folder: Path) -> Path:
    file = folder / "ingest.outbox"
    kept = OutboxFile(file, 1 << 20)
    kept.open()
    kept.close()
    return file


def test_an_outbox_is_recounted(tmp_path: Path) -> None:
    """What a new one says is so; a counter that somebody turned is found."""
    file = outbox(tmp_path)
    with closing(sqlite3.connect(file)) as connection, connection:
        assert recount(connection).agrees
        assert list(books.check_outboxes(tmp_path)) == []
        connection.execute("UPDATE books SET received = received + 1")
    (found,) = books.check_outboxes(tmp_path)
    assert "received 1 = stored 0" in found.found


def test_a_row_that_the_books_do_not_know() -> None:
    """Balanced books that disagree with the rows are wrong, too."""
    balanced = Counter({"received": 2, "stored": 1, "spooled": 1})
    assert list(books.judge(Path("a"), Recount(balanced, 1, 0))) == []
    assert "0 spooled" in books.judge(Path("a"), Recount(balanced, 0, 0))[0].found


def test_a_file_that_is_no_outbox(tmp_path: Path) -> None:
    """It is named, and nothing is done to it."""
    file = tmp_path / "x.outbox"
    file.write_bytes(b"no database" * 1_000)
    assert "can't be read" in books.check_outboxes(tmp_path)[0].found
    assert file.read_bytes() == b"no database" * 1_000


def test_books_that_a_worker_wrote_down() -> None:
    """Unbalanced ones, and those of a silent worker that still holds something."""
    row: dict[str, Any] = dict.fromkeys(COLUMNS, 0) | {"source": "w", "epoch": "e", "updated_ns": 0}
    assert list(books.judge_row(row, 1_000)) == []
    assert "do not balance" in books.judge_row({**row, "stored": 1}, 1)[0].found
    holding = {**row, "received": 3, "spooled": 3}
    assert list(books.judge_row(holding, 30)) == []
    assert "silent for 90 s, and holds 3" in books.judge_row(holding, 90)[0].found


def test_a_proxy_that_cuts_or_refuses() -> None:
    """A handshake that does not come through, and a line that was cut, each with nginx's words for it."""
    assert list(proxy.judge("u", Watched(101))) == []
    assert "Upgrade" in proxy.judge("u", Watched(426))[0].mend
    assert "proxy_read_timeout" in proxy.judge("u", Watched(101, 12.0))[0].mend


@pytest.mark.parametrize(("status", "mend"), [(301, "--url"), (308, "--url"), (502, "realtime"), (503, "realtime")])
def test_a_websocket_that_is_answered_by_something_else(status: int, mend: str) -> None:
    """A redirect, and a proxy that finds nobody behind it, are not mended by passing the upgrade on."""
    (found,) = proxy.judge("u", Watched(status))
    assert mend in found.mend
    assert "Upgrade" not in found.mend


def test_the_report_for_programs_and_for_people() -> None:
    """The same findings; brackets in them are no markup."""
    report = Report([Finding("disk", "[red]full", "b", "c")], ["disk"], {"proxy": "no --url was given"})
    told = json.loads(as_json(report))
    assert told["findings"] == [{"check": "disk", "found": "[red]full", "means": "b", "mend": "c"}]
    assert (told["healthy"], told["examined"], told["left_out"]) == (False, ["disk"], {"proxy": "no --url was given"})
    page = StringIO()
    show(report, Console(file=page, width=120))
    show(Report([], ["disk"]), Console(file=page, width=120))
    assert "[red]full" in page.getvalue()
    assert "nothing to mend" in page.getvalue()


def test_a_check_that_is_none_is_a_slip(tmp_path: Path) -> None:
    """The names of the checks are in the answer."""
    done = CliRunner().invoke(doctor, ["--skip", "quue", "--data-dir", str(tmp_path)])
    assert done.exit_code == 2
    assert all(name in done.output for name in NAMES)


@pytest.mark.parametrize(
    "url", ["iot.example.org", "iot.example.org:8443", "ftp://x", "https://", "http://[::1", "http://x:y"]
)
def test_an_address_that_is_none_is_refused(url: str, tmp_path: Path) -> None:
    """With exit code 2 and how to write it, before anything is looked at."""
    done = CliRunner().invoke(doctor, ["--url", url, "--data-dir", str(tmp_path)])
    assert done.exit_code == 2
    assert "https://iot.example.org" in done.output


async def test_a_web_server_that_speaks_something_else() -> None:
    """What is no HTTP is no clock, and a finding of the proxy's, not an error of ours."""

    async def strange(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        writer.close()

    async with await asyncio.start_server(strange, "127.0.0.1") as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        assert list(await clock.check_clock_by(url)) == []
        (found,) = await proxy.check_proxy(url)
    assert "can't be used" in found.found


def test_what_there_is_nothing_to_see_of_is_left_out(tmp_path: Path) -> None:
    """Of `telemetrio up` there are a disk, a database and books; and nothing is made by looking."""
    done = CliRunner().invoke(doctor, ["--json", "--data-dir", str(tmp_path)])
    told = json.loads(done.stdout)
    assert (done.exit_code, told["examined"]) == (1, ["disk", "migrations", "books"])
    assert [finding["check"] for finding in told["findings"]] == ["migrations"]
    assert list(tmp_path.iterdir()) == []
    assert not read_all(data_dir=tmp_path).networked
