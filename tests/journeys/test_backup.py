"""`telemetrio backup` beside a running system, and `telemetrio restore` into one that has yet to begin."""

import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from shared.process import ExitCode, Refusal
from telemetrio.__main__ import cli
from telemetrio.backup import system as system_of_backups
from telemetrio.cli import keep
from tests.peers.system import System
from tests.peers.waiting import eventually

BACKUP, RESTORE = str(keep.backup.name), str(keep.restore.name)


def said(*words: object) -> str:
    """What an operator reads of a command that does what it was asked to."""
    done = CliRunner().invoke(cli, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def refused(*words: object, saying: str, code: ExitCode = ExitCode.WRONG_SETTINGS) -> None:
    with pytest.raises(Refusal, match=saying) as caught:
        said(*words)
    assert caught.value.code == code


def seen(system: System) -> tuple[object, ...]:
    """What people see of it."""
    readings = system.get("/api/v1/devices/d1/readings?start=2026-01-01T00:00:00Z&limit=1000")["data"]
    letters = system.get("/api/v1/dead-letters")["data"]
    devices = [{**each, "age_s": None} for each in system.get("/api/v1/devices")]
    return readings, letters, devices, system.get("/api/v1/items")


def test_out_of_a_running_system_and_into_a_new_one(tmp_path: Path) -> None:
    """Devices, readings, dead letters and items are the same there and can be dealt with, and ids and books go on."""
    file = tmp_path / "site.tar"
    system = System(tmp_path / "old")
    system.start()
    try:
        for second in range(10):
            system.publish("iot/devices/d1/data", b'{"ts": %d, "temperature": %d.5}' % (1767268800 + second, second))
        system.publish("iot/devices/d1/data", b"no json")
        system.request("POST", "/api/v1/items", {"name": "bolt"})
        eventually(lambda: system.get("/api/v1/dead-letters")["total"] == 1, 20)
        eventually(lambda: system.get("/api/v1/ingest/books")["total"]["stored"] == 10, 20)
        eventually(lambda: (system.device("d1") or {}).get("temperature") == 9.5, 20)
        assert "10 readings" in said(BACKUP, file, "--data-dir", system.data_dir)
        expected = seen(system)
        refused(RESTORE, file, "--data-dir", system.data_dir, saying="in use by another telemetrio")
    finally:
        assert system.stop() == 0
    assert "whole. 10 readings" in said(BACKUP, "--check", file)
    assert "10 readings" in said(RESTORE, file, "--data-dir", tmp_path / "new")
    for each in system.data_dir.glob("ingest.outbox*"):  # what letters lie in
        shutil.copy(each, tmp_path / "new")
    system = System(tmp_path / "new")
    system.start()
    try:
        assert seen(system) == expected
        assert system.request("POST", "/api/v1/items", {"name": "nut"})[1]["id"] == "2"
        system.publish("iot/devices/d1/data", b'{"ts": 1767268810, "temperature": 10.5}')
        eventually(lambda: (system.device("d1") or {}).get("temperature") == 10.5, 20)
        system.request("POST", "/api/v1/dead-letters/discard", {"kind": "message"})
        eventually(lambda: system.get("/api/v1/dead-letters")["total"] == 0, 20)
        books = system.get("/api/v1/ingest/books")["total"]
        assert (books["received"], books["discarded"], books["balanced"]) == (12, 1, True)
    finally:
        assert system.stop() == 0


def test_what_is_wrong_is_one_sentence(tmp_path: Path) -> None:
    """A file that isn't there or isn't whole, a directory that isn't there: exit codes, and the mend."""
    torn = tmp_path / "torn.tar"
    torn.write_bytes(bytes(600))
    refused(BACKUP, "--check", tmp_path / "none.tar", saying="no such file")
    refused(BACKUP, "--check", torn, saying="never finished", code=ExitCode.DIED)
    refused(RESTORE, torn, "--data-dir", tmp_path / "new", saying="never finished", code=ExitCode.DIED)
    refused(BACKUP, tmp_path / "a.tar", "--data-dir", tmp_path / "nowhere", saying="no such directory")
    refused(BACKUP, tmp_path / "a.tar", "--data-dir", tmp_path, saying="no tables")
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("given", "saying"),
    [
        ({"DATABASE_URL": "postgresql://u@127.0.0.1:1/d"}, "TELEMETRIO_DATABASE_URL: .* the same command again"),
        ({"INFLUXDB_URL": "http://127.0.0.1:1"}, "the store of readings .* the same command again"),
    ],
    ids=["database", "store"],
)
def test_a_server_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: dict[str, str], saying: str
) -> None:
    """Which of them it is, and that nothing has to be begun anew."""
    monkeypatch.setattr(system_of_backups, "_WAITS_S", ())
    said("db", "upgrade", "--data-dir", tmp_path)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    refused(BACKUP, tmp_path / "a.tar", "--data-dir", tmp_path, saying=saying, code=ExitCode.DIED)
