"""What a command keeps of how far it came is read back whole, or refused in a sentence."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from shared.process import Refusal
from telemetrio.resumption import keep, resume


@dataclass
class Kept:
    path: Path = field(repr=False)
    file: str
    rows: int = 0
    codes: dict[str, int] = field(default_factory=dict)


def test_what_was_kept_is_read_back(tmp_path: Path) -> None:
    """Its path is where it lies, and nobody else may read it."""
    path = tmp_path / "readings.csv.importing"
    assert resume(path, Kept) is None
    kept = Kept(path, "readings.csv", 7, {"bad_time": 2})
    keep(path, kept)
    assert resume(path, Kept) == kept
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"7", b"{}", b'{"file": "a", "rows": "many"}', b'{"rows": 1}'])
def test_what_no_run_has_written_is_refused(tmp_path: Path, content: bytes) -> None:
    """A file that is cut, of another shape, or without what must be there."""
    path = tmp_path / "a.tar.restoring"
    path.write_bytes(content)
    with pytest.raises(Refusal, match=r"a\.tar\.restoring is damaged, or of another version: delete it"):
        resume(path, Kept)
    assert path.read_bytes() == content
