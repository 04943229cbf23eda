"""What an operator reads first."""

import socket

import pytest

from telemetrio.greeting import say_password, say_ready
from telemetrio.settings import UpSettings


@pytest.mark.parametrize(
    ("host", "web", "mqtt"),
    [("localhost", "127.0.0.1", "127.0.0.1"), ("127.0.0.1", "127.0.0.1", "127.0.0.1"), ("::1", "[::1]", "[::1]")],
)
def test_the_ready_line_names_addresses_that_work(
    capsys: pytest.CaptureFixture[str], host: str, web: str, mqtt: str
) -> None:
    """As they are typed into a browser, also those of IPv6, with the ports that were really taken."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        say_ready(UpSettings(_env_file=None, host=host), [listener], 1883, "iot/devices")
    first, _, third = capsys.readouterr().out.splitlines()
    assert first == f"ready http://{web}:{port} mqtt://{mqtt}:1883"
    assert "iot/devices/test_device/data" in third


@pytest.mark.parametrize(
    ("found", "where", "words"),
    [
        (
            "/usr/bin/mosquitto_pub",
            ("localhost", 1883),
            "mosquitto_pub -h 127.0.0.1 -p 1883 -t iot/devices/test_device/data",
        ),
        (None, ("localhost", 1883), "telemetrio publish iot/devices/test_device/data '{"),
        (None, ("::1", 1884), "}' --mqtt-url mqtt://[::1]:1884"),
    ],
)
def test_what_to_try_is_a_command_that_is_there(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    found: str | None,
    where: tuple[str, int],
    words: str,
) -> None:
    """Our own where Mosquitto's clients are not installed."""
    monkeypatch.setattr("telemetrio.greeting.which", lambda _name: found)
    host, port = where
    with socket.create_server(("127.0.0.1", 0)) as listener:
        say_ready(UpSettings(_env_file=None, host=host), [listener], port, "iot/devices")
    assert words in capsys.readouterr().out


def test_a_first_password_is_told_once_and_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is said where none was made."""
    say_password(None)
    assert not capsys.readouterr().out
    say_password(("admin@localhost", "a-password"))
    assert "a-password" in capsys.readouterr().out
