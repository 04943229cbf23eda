"""Who hears what at the embedded broker, from a copy of the keys in memory."""

import pytest

from services.api.accounts.tokens import hash_of_key
from shared.database.credentials import LiveKey
from telemetrio.embedded.hearing import Hearing, Listener

ANN, ADMIN = Listener(2, 1, everybody=False), Listener(1, 2, everybody=True)


@pytest.fixture
def hearing() -> Hearing:
    """Device `a` is user 2's; the third key is over."""
    made = Hearing({"a": 2, "b": 3}.get)
    made.learn(
        [
            LiveKey(1, 2, hash_of_key("tk_ann"), everybody=False, expires_ns=None),
            LiveKey(2, 1, hash_of_key("tk_admin"), everybody=True, expires_ns=2**62),
            LiveKey(3, 2, hash_of_key("tk_over"), everybody=False, expires_ns=1),
        ]
    )
    return made


def test_a_key_says_who_listens(hearing: Hearing) -> None:
    """What is no key is nobody's word; a key that is unknown or over is refused."""
    assert (hearing.identify("tk_ann"), hearing.identify("tk_admin"), hearing.identify("word")) == (ANN, ADMIN, None)
    for shown in ("tk_over", "tk_nobody", "tk_"):
        with pytest.raises(PermissionError):
            hearing.identify(shown)


def test_a_listener_gets_what_is_theirs(hearing: Hearing) -> None:
    """Topics of their own devices; everything for who may see everybody's."""
    topics = ["iot/devices/a/data", "iot/devices/b/data", "iot/devices/a", "iot/devices/x/data", "else/a/data"]
    assert [hearing.may_get(ANN, topic) for topic in topics] == [True, False, False, False, False]
    assert all(hearing.may_get(ADMIN, topic) for topic in topics)


def test_what_is_revoked_holds_no_more(hearing: Hearing) -> None:
    """Nor what shows less than it did, nor what is over."""
    assert hearing.holds(ANN)
    assert not hearing.holds(Listener(2, 3, everybody=False))
    hearing.learn([LiveKey(2, 1, hash_of_key("tk_admin"), everybody=False, expires_ns=None)])
    assert not hearing.holds(ANN)
    assert not hearing.holds(ADMIN)
