"""Who a client of the embedded broker is, and for whom it may speak."""

import pytest

from shared.passwords import hash_password
from telemetrio.embedded.credentials import Credentials, Identity

KEPT = {word: hash_password(word) for word in ("one", "two")}


@pytest.fixture
def credentials() -> Credentials:
    """`d1` has two, `d2` has one, everybody else none."""
    made = Credentials()
    made.learn([("d1", 1, KEPT["one"]), ("d1", 2, KEPT["two"]), ("d2", 3, KEPT["one"])])
    return made


def test_a_device_is_who_knows_one_of_its_passwords(credentials: Credentials) -> None:
    """Any of them; and when each was presented is remembered."""
    assert credentials.identify("d1", b"one") == Identity("d1", 1)
    assert credentials.identify("d1", b"two") == Identity("d1", 2)
    assert set(credentials.used_ns) == {1, 2}


@pytest.mark.parametrize("password", [b"", b"One", b"one ", b"two"])
def test_a_wrong_password_is_nobodys(credentials: Credentials, password: bytes) -> None:
    """Not even another device's."""
    with pytest.raises(PermissionError):
        credentials.identify("d2", password)
    assert credentials.used_ns == {}


@pytest.mark.parametrize("username", [None, "", "stranger"])
def test_who_is_no_device_with_credentials_is_anybody(credentials: Credentials, username: str | None) -> None:
    """They speak for devices that have none, and hear everything."""
    anybody = credentials.identify(username, b"one")
    assert anybody is None
    assert credentials.may_speak(anybody, "iot/devices/d3/data")
    assert credentials.may_speak(anybody, "elsewhere/d1/data")
    assert credentials.may_hear(anybody, "iot/devices/#")
    for topic in ("iot/devices/d1/data", "iot/devices/d2/status", "iot/devices/d1/errors", "iot/devices/d1"):
        assert not credentials.may_speak(anybody, topic)


def test_a_device_speaks_and_hears_as_itself_alone(credentials: Credentials) -> None:
    """Its own tree, and no wildcard above it."""
    device = Identity("d1", 1)
    assert credentials.may_speak(device, "iot/devices/d1/data")
    for topic in ("iot/devices/d2/data", "iot/devices/d11/data", "iot/devices/d3/data", "elsewhere"):
        assert not credentials.may_speak(device, topic)
    assert credentials.may_hear(device, "iot/devices/d1/errors")
    for topic_filter in ("#", "iot/devices/+/errors", "iot/devices/d1", "iot/devices/d2/errors"):
        assert not credentials.may_hear(device, topic_filter)


def test_what_is_revoked_holds_no_more(credentials: Credentials) -> None:
    """Of the two the other one does; a device that nobody knows (any more) is everybody's."""
    credentials.learn([("d1", 2, KEPT["two"])])
    assert not credentials.holds(Identity("d1", 1))
    assert not credentials.may_speak(Identity("d1", 1), "iot/devices/d1/data")
    assert credentials.holds(Identity("d1", 2))
    assert credentials.may_speak(None, "iot/devices/d2/data")


def test_a_closed_device_without_credentials_is_nobodys(credentials: Credentials) -> None:
    """No password is the right one, and who has none doesn't speak for it either."""
    credentials.learn([("d1", 2, KEPT["two"])], closed=["d1", "d2"])
    assert credentials.identify("d1", b"two") == Identity("d1", 2)
    with pytest.raises(PermissionError):
        credentials.identify("d2", b"one")
    assert not credentials.may_speak(None, "iot/devices/d2/data")
