"""The ballast: a file that is given up first, and a disk that says how much room it has."""

from pathlib import Path
from typing import NamedTuple

import pytest

from services.ingest.ballast import BALLAST_BYTES, Ballast


class Usage(NamedTuple):
    total: int
    used: int
    free: int


class Disk:
    """In the place of shutil.disk_usage and the clock."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.free = 0
        self.asked = 0
        self.now_s = 100.0
        monkeypatch.setattr("services.ingest.ballast.shutil.disk_usage", self._usage)
        monkeypatch.setattr("services.ingest.ballast.time.monotonic", lambda: self.now_s)

    def _usage(self, _path: Path) -> Usage:
        self.asked += 1
        return Usage(0, 0, self.free)


def test_it_is_laid_whole_and_given_up_at_once(tmp_path: Path) -> None:
    """In every life; a file of another size, which an earlier life left, is laid anew."""
    for size in (None, 5, BALLAST_BYTES):
        if size is not None:
            (tmp_path / "ballast").write_bytes(b"x" * size)
        ballast = Ballast(tmp_path, 0)
        assert ballast.lay()
        assert ballast.lay()
        assert (tmp_path / "ballast").stat().st_size == BALLAST_BYTES
        assert (tmp_path / "ballast").stat().st_blocks * 512 >= BALLAST_BYTES
    ballast.give_up()
    ballast.give_up()
    assert list(tmp_path.iterdir()) == []


def test_it_is_laid_where_the_system_allocates_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS: written, it takes the same room."""
    monkeypatch.delattr("services.ingest.ballast.os.posix_fallocate")
    assert Ballast(tmp_path, 0).lay()
    assert (tmp_path / "ballast").stat().st_blocks * 512 >= BALLAST_BYTES


def test_without_room_none_is_laid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a ballast is none: it is taken away again."""

    def full(*_given: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("services.ingest.ballast.os.posix_fallocate", full)
    assert not Ballast(tmp_path, 0).lay()
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_cant_be_written_ends_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read-only: giving up gives nothing back, and that is no error of its own."""

    def read_only(*_given: object, **_how: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", read_only)
    monkeypatch.setattr(Path, "open", read_only)
    ballast = Ballast(tmp_path, 0)
    ballast.give_up()
    assert not ballast.lay()


def test_too_little_room_is_named_by_its_setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound itself is enough; a byte less is not."""
    disk = Disk(monkeypatch)
    ballast = Ballast(tmp_path, 256 << 20)
    disk.free = 256 << 20
    assert ballast.short() is None
    disk.free -= 1
    disk.now_s += 1
    assert ballast.short() == "255 MiB free on the disk, TELEMETRIO_MIN_FREE_DISK_MIB is 256"


def test_the_disk_is_asked_twice_a_second_at_most(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commits come more often."""
    disk = Disk(monkeypatch)
    ballast = Ballast(tmp_path, 0)
    for _ in range(100):
        ballast.short()
        disk.now_s += 0.01
    assert disk.asked == 2
