"""Where a web server may listen, and what it must have then."""

import pytest

from shared.process import Refusal
from shared.reach import ReachSettings, refuse_exposed, refuse_weak_secret
from shared.settings import read_settings


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org"])
def test_nobody_else_gets_in_without_saying_who_they_are(host: str) -> None:
    """Beyond loopback accounts are demanded, and the refusal names the mend."""
    with pytest.raises(Refusal, match=r"TELEMETRIO_HOST: .*TELEMETRIO_AUTH=required"):
        read_settings(ReachSettings, host=host)
    assert read_settings(ReachSettings, host=host, auth="required").exposed


EXAMPLE = "your-secret-key-here"


@pytest.mark.parametrize("settings", [{}, {"host": "::1"}])
def test_a_secret_from_an_example_is_good_enough_here(settings: dict[str, object]) -> None:
    """Nobody but the people of this machine can use what they guess."""
    refuse_weak_secret(read_settings(ReachSettings, secret_key=EXAMPLE, **settings))


@pytest.mark.parametrize(
    "settings", [{"trusted_hops": 1}, {"allowed_hosts": "example.org"}, {"host": "192.0.2.1", "auth": "required"}]
)
def test_a_secret_from_an_example_is_refused_where_others_come(settings: dict[str, object]) -> None:
    """By name, whether they come by themselves or through a proxy."""
    with pytest.raises(Refusal, match="TELEMETRIO_SECRET_KEY"):
        refuse_weak_secret(read_settings(ReachSettings, secret_key=EXAMPLE, **settings))


@pytest.mark.parametrize("settings", [{"trusted_hops": 1}, {"allowed_hosts": "localhost,example.org"}])
def test_where_others_come_somebody_asks_who_they_are(settings: dict[str, object]) -> None:
    """A proxy, or a name of its own, and no accounts: refused by name, with the mend."""
    with pytest.raises(Refusal, match=r"TELEMETRIO_AUTH: .*set required"):
        refuse_exposed(read_settings(ReachSettings, **settings))
    refuse_exposed(read_settings(ReachSettings, auth="required", **settings))
    refuse_exposed(read_settings(ReachSettings))
