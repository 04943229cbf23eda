"""What `telemetrio api` refuses before it opens anything."""

import socket
from pathlib import Path

import pytest

from services.api.__main__ import main, read_all
from services.api.settings import BucketSettings, ProcessSettings
from shared.process import ExitCode, Refusal


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org", "::"])
def test_it_listens_on_loopback_alone(host: str, tmp_path: Path) -> None:
    """Everybody who reached it would be admin: the refusal names the setting and the mend."""
    with pytest.raises(Refusal, match=r"TELEMETRIO_HOST: .* is not a loopback address") as refused:
        read_all(host=host, data_dir=tmp_path)
    assert refused.value.code == ExitCode.WRONG_SETTINGS


def test_loopback_has_three_names() -> None:
    """`localhost` is both addresses, also where a name server says otherwise."""
    hosts = [ProcessSettings(_env_file=None, host=name).hosts for name in ("localhost", "127.0.0.1", "[::1]")]
    assert hosts == [("127.0.0.1", "::1"), ("127.0.0.1",), ("::1",)]


def test_every_part_has_the_same_data_directory(tmp_path: Path) -> None:
    """Given by a flag, it is that of the store and the database, too."""
    settings = read_all(data_dir=tmp_path, port=0)
    assert {settings.process.data_dir, settings.api.data_dir, settings.store.data_dir} == {tmp_path}


@pytest.mark.parametrize("name", ["TELEMETRIO_PORT", "TELEMETRIO_METRICS_PORT"])
def test_a_port_that_is_taken_is_named_with_its_mend(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 3, and which setting to change; nothing was opened."""
    monkeypatch.setenv("TELEMETRIO_PORT", "0")
    monkeypatch.setenv("TELEMETRIO_METRICS_PORT", "0")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        monkeypatch.setenv(name, str(taken.getsockname()[1]))
        assert main(data_dir=tmp_path / "data") == ExitCode.PORT_TAKEN
    mend = "--port" if name == "TELEMETRIO_PORT" else name
    assert mend in capsys.readouterr().err
    assert not (tmp_path / "data").exists()


def test_an_operators_token_may_come_from_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As every secret may; it is never shown."""
    file = tmp_path / "token"
    file.write_text("from a file\n")
    found = [BucketSettings(_env_file=None, influxdb_operator_token_file=file)]
    monkeypatch.setenv("TELEMETRIO_INFLUXDB_OPERATOR_TOKEN", "from the environment")
    found.append(BucketSettings(_env_file=None))
    assert [each.operator_token for each in found] == ["from a file", "from the environment"]
    assert "from the environment" not in repr(found)


def test_the_broker_is_told_of_every_workers_prefix(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several with commas; that of the one worker where nothing else is said; a wrong one is named."""
    assert read_all(data_dir=tmp_path).admission.device_prefixes == ("iot/devices",)
    monkeypatch.setenv("TELEMETRIO_DEVICE_PREFIX", "plant/7")
    assert read_all(data_dir=tmp_path).admission.device_prefixes == ("plant/7",)
    monkeypatch.setenv("TELEMETRIO_DEVICE_PREFIXES", "plant/7, plant/8")
    assert read_all(data_dir=tmp_path).admission.device_prefixes == ("plant/7", "plant/8")
    for wrong in ("", "plant/7,plant/#"):
        monkeypatch.setenv("TELEMETRIO_DEVICE_PREFIXES", wrong)
        with pytest.raises(Refusal, match="TELEMETRIO_DEVICE_PREFIXES"):
            read_all(data_dir=tmp_path)


def test_a_broker_that_asks_needs_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None, a weak one, one that can't be read: exit code 2, with the name; a good one is taken."""
    file = tmp_path / "secret"
    monkeypatch.setenv("TELEMETRIO_BROKER_AUTH", "http")
    for content in (None, "changeme", "short"):
        if content is not None:
            file.write_text(content)
            monkeypatch.setenv("TELEMETRIO_BROKER_AUTH_SECRET_FILE", str(file))
        with pytest.raises(Refusal, match="TELEMETRIO_BROKER_AUTH_SECRET_FILE") as refused:
            read_all(data_dir=tmp_path)
        assert refused.value.code == ExitCode.WRONG_SETTINGS
    file.write_text("abcdefghijklmnopqrstuvwxyz-0123456789\n")
    assert read_all(data_dir=tmp_path).admission.proof == "abcdefghijklmnopqrstuvwxyz-0123456789"
    monkeypatch.setenv("TELEMETRIO_BROKER_AUTH", "none")
    assert read_all(data_dir=tmp_path).admission.proof == ""
