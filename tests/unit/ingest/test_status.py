"""A status is one of two words, in three forms."""

import pytest

from services.ingest.status import parse_status


@pytest.mark.parametrize(
    ("payload", "status"),
    [
        (b"online", "online"),
        (b" OFFLINE\n", "offline"),
        (b'"online"', "online"),
        (b'{"status": "Offline", "since": 5}', "offline"),
        (b'{"status": 1}', None),
        (b"{", None),
        (b"away", None),
        (b"\xff", None),
        (b" " * 70_000 + b"online", None),
    ],
)
def test_a_status_is_told_from_everything_else(payload: bytes, status: str | None) -> None:
    """Whatever a device may send there, it is online, offline, or refused."""
    assert parse_status(payload) == status
