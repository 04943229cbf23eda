"""InfluxDB's words: reasons of three versions, and when it says to come back."""

import pytest

from shared.timeseries.influxhttp import Answer, Target, outage, reason_of, seconds
from shared.timeseries.store import Denied, Missing, Unavailable

NOON = 1_767_268_800.0  # 2026-01-01T12:00:00Z


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"error":"database not found"}', "database not found"),
        (b'{"code":"invalid","message":"unable to parse"}', "unable to parse"),
        (b'{"error":"partial write","data":[{"line_number":2,"error_message":"no fields"}]}', "no fields"),
        (b'{"error":"parsing failed","data":{"error_message":"no fields"}}', "no fields"),
        (b'{"error":"parsing failed","data":[]}', "parsing failed"),
        (b"<html>502</html>", "<html>502</html>"),
        (b"\xff", "\ufffd"),
        (b"", ""),
        (b"[]", "[]"),
        (b'{"message":"' + b"x" * 5000 + b' dropped=3"}', "x" * 1014 + " dropped=3"),
    ],
)
def test_a_reason_is_found_in_every_version(body: bytes, reason: str) -> None:
    """1.x says `error`, 2.x `message`, 3.x tells lines; a proxy says what it likes. The end of a long one is kept."""
    assert reason_of(body) == reason


@pytest.mark.parametrize(
    ("said", "wait_s"),
    [
        (None, None),
        ("7", 7.0),
        ("0.5", 0.5),
        ("-3", 0.0),
        ("1e9", 300.0),
        ("Thu, 01 Jan 2026 12:00:09 GMT", 9.0),
        ("Thu, 01 Jan 2026 11:00:00 GMT", 0.0),
        ("Thu, 01 Jan 2099 12:00:00 GMT", 300.0),
        ("soon", None),
        ("", None),
        ("nan", None),
        ("inf", None),
        ("Thu, 99 Jan 2026 12:00:09 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(said: str | None, wait_s: float | None) -> None:
    """At most five minutes; nonsense is as good as nothing."""
    assert seconds(said, NOON) == wait_s


@pytest.mark.parametrize(
    ("status", "kind"),
    [(401, Denied), (403, Denied), (404, Denied), (413, Unavailable), (429, Unavailable), (503, Unavailable)]
    + [(status, Unavailable) for status in (200, 201, 302, 408, 418, 500, 502, 504)],
)
def test_every_status_has_a_meaning(status: int, kind: type[Exception]) -> None:
    """What nobody thought of is an outage: the readings are kept."""
    error = outage(Answer(status, "why", 7.0))
    assert type(error) is kind
    assert "why" in str(error)
    assert not isinstance(error, Unavailable) or error.retry_after_s == 7.0


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ('database not found: "t_1"', Missing),  # 1.6.7
        ('bucket "t_1" not found', Missing),  # 2.7.12
        ('organization name "o" not found', Denied),
        ("404 page not found", Denied),
        ("", Denied),
    ],
)
def test_a_missing_bucket_is_told_from_a_missing_server(reason: str, kind: type[Exception]) -> None:
    """The others may be there; and a wrong path is no word about buckets."""
    assert type(outage(Answer(404, reason))) is kind


def test_a_token_is_not_printed() -> None:
    """Logs show targets."""
    assert "secret" not in repr(Target("http://h:8086", "secret", "o", "b"))
