"""One URL of the broker, and what each client makes of it; and how long a client waits before it comes back."""

import ssl
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from services.ingest.session import SessionSettings
from shared.broker import Address, Backoff, BrokerSettings, aiomqtt_arguments, client_id, parse_url, tls_context
from shared.identifiers import is_device_id
from shared.process import Refusal
from shared.settings import read_settings
from telemetrio.doctor import broker as doctor


def settings(url: str, **given: Any) -> BrokerSettings:
    return BrokerSettings(_env_file=None, mqtt_url=url, **given)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://broker", ("broker", 1883, False, None, None)),
        ("mqtts://broker", ("broker", 8883, True, None, None)),
        ("mqtt://127.0.0.1:2883/", ("127.0.0.1", 2883, False, None, None)),
        ("mqtt://[::1]:1883", ("::1", 1883, False, None, None)),
        ("mqtts://ann:p%40ss%2Fword@broker.example.org:443", ("broker.example.org", 443, True, "ann", "p@ss/word")),
        ("mqtt://ann@broker", ("broker", 1883, False, "ann", None)),
    ],
)
def test_a_url_names_the_broker(url: str, expected: tuple[object, ...]) -> None:
    """Host, port, TLS, user and password, with the usual ports and %-escapes."""
    assert tuple(settings(url).address) == expected


@pytest.mark.parametrize(
    "url",
    [
        "",
        "broker:1883",
        "http://broker",
        "mqtt://",
        "mqtt://broker/topic",
        "mqtt://broker?x=1",
        "mqtt://broker:port",
        "mqtt://:hunter2@broker",
        "mqtt://ann:hunter2@broker:99999",
        "mqtt://ann:hunter2@[broker",
    ],
)
def test_what_names_no_broker_is_refused_with_the_mend(url: str) -> None:
    """The sentence shows how to write it, and never the password."""
    with pytest.raises(ValueError, match="write it as mqtt://") as raised:
        parse_url(url)
    assert "hunter2" not in str(raised.value)
    with pytest.raises(ValidationError):
        settings(url)


@pytest.mark.parametrize("keepalive_s", [4, 601])
def test_the_keepalive_is_neither_hasty_nor_endless(keepalive_s: int) -> None:
    """5 s to 10 min; the clients of the library are told, too."""
    with pytest.raises(ValidationError):
        settings("mqtt://broker", mqtt_keepalive_s=keepalive_s)
    assert aiomqtt_arguments(settings("mqtt://broker", mqtt_keepalive_s=5), "c")["keepalive"] == 5
    assert settings("mqtt://broker").mqtt_keepalive_s == 30


def test_a_password_is_never_printed() -> None:
    """Neither the settings nor the address show it, however they are printed."""
    given = settings("mqtt://ann:hunter2@broker")
    for text in (repr(given), str(given), repr(given.address), str(given.address), f"{given.address}"):
        assert "hunter2" not in text
    assert str(given.address) == "broker:1883"


@pytest.mark.parametrize(
    ("name", "said"), [("mqtt_password_file", "can't be read"), ("mqtt_ca_file", "holds no certificate in PEM")]
)
def test_a_file_that_is_something_else_is_found_at_once(tmp_path: Path, name: str, said: str) -> None:
    """By the setting that names it, before anything is opened."""
    file = tmp_path / "file"
    file.write_bytes(b"\xff\x00")
    with pytest.raises(Refusal, match=f"^TELEMETRIO_{name.upper()}: {file} {said}"):
        read_settings(BrokerSettings, **{name: file})


def test_a_password_may_come_from_a_file(tmp_path: Path) -> None:
    """As container platforms give secrets: without the newline that editors leave."""
    secret = tmp_path / "password"
    secret.write_text("hunter2\n")
    assert settings("mqtt://ann@broker", mqtt_password_file=secret).address.password == "hunter2"  # noqa: S105 - invented
    with pytest.raises(ValidationError, match="a password needs a user: write it as mqtt://"):
        settings("mqtt://broker", mqtt_password_file=secret)


def test_tls_verifies_certificate_and_name() -> None:
    """mqtts:// means a verified peer; mqtt:// means none."""
    context = tls_context(settings("mqtts://broker"))
    assert context is not None
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert tls_context(settings("mqtt://broker")) is None


def test_aiomqtt_is_told_the_same() -> None:
    """What the subscriber connects to is what the other clients connect to."""
    given = aiomqtt_arguments(settings("mqtt://ann:hunter2@broker:2883"), "ingest-1", "live")
    assert (given["hostname"], given["port"], given["identifier"]) == ("broker", 2883, "telemetrio/ingest-1/live")
    assert (given["username"], given["password"], given["tls_context"]) == ("ann", "hunter2", None)


def test_no_client_of_ours_is_called_like_a_device() -> None:
    """A tenant who names a device like a service would take that one's place at the broker."""
    names = [client_id("w"), client_id("w", "live"), SessionSettings("w").client_id, doctor._name()]
    names += [aiomqtt_arguments(settings("mqtt://broker"), "api", "5f")["identifier"]]
    assert not [name for name in names if is_device_id(name)]
    assert len({*names}) == 4


def test_waits_double_up_to_a_bound_and_begin_again() -> None:
    """Full jitter: anything between nothing and 1, 2, 4 … 30 s; after a success 1 s again."""
    backoff = Backoff()
    for bound in (1, 2, 4, 8, 16, 30, 30, 30):
        assert 0 <= backoff.next_s() <= bound
    rounds = [backoff.next_s() for _ in range(200)]
    assert max(rounds) > 20
    assert min(rounds) < 10
    backoff.reset()
    assert backoff.next_s() <= 1


def test_an_address_is_a_value() -> None:
    """Two that say the same are the same."""
    assert parse_url("mqtt://broker") == Address("broker", 1883, tls=False, username=None, password=None)
