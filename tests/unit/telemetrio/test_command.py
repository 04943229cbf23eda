"""The command line as one meets it: help, versions, wrong words; and the settings of `up` put together."""

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest
from click.testing import CliRunner

from shared.process import ExitCode, Refusal
from telemetrio import __version__
from telemetrio.__main__ import cli
from telemetrio.cli import describe, examine, keep, measure, operate, options, provision, remote, serve
from telemetrio.up import read_all


def commands_below(group: click.Group, *words: str) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with the words that call it, groups included."""
    yield words, group
    for name, command in group.commands.items():
        below = (*words, name)
        yield from commands_below(command, *below) if isinstance(command, click.Group) else [(below, command)]


@pytest.mark.parametrize("words", [words for words, _ in commands_below(cli)], ids=" ".join)
def test_every_command_explains_itself(words: tuple[str, ...]) -> None:
    """--help of each says what it does, and exits with 0."""
    shown = CliRunner().invoke(cli, [*words, "--help"])
    assert shown.exit_code == 0
    assert "Usage:" in shown.output


@pytest.mark.parametrize("module", [serve, measure, operate, provision, examine, describe, keep, remote, options])
def test_every_command_that_is_written_can_be_called(module: ModuleType) -> None:
    """One that was forgotten in the list would be there for nobody."""
    known = {id(command) for _, command in commands_below(cli)}
    assert {
        name for name, each in vars(module).items() if isinstance(each, click.Command) and id(each) not in known
    } == set()


def test_the_version_is_the_packages() -> None:
    """What was installed is what it says."""
    assert __version__ in CliRunner().invoke(cli, ["--version"]).output


@pytest.mark.parametrize("words", [["simulate", "--bad", "some"], ["up", "--port", "70000"], ["nonsense"]])
def test_a_wrong_word_is_refused_with_exit_code_2(words: list[str]) -> None:
    """As for any wrong setting."""
    assert CliRunner().invoke(cli, words).exit_code == ExitCode.WRONG_SETTINGS


def test_up_welcomes_unknown_devices_unless_told_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The default of ingest alone is to refuse them."""
    assert read_all(data_dir=tmp_path).ingest.unknown_devices == "register"
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("TELEMETRIO_UNKNOWN_DEVICES=refuse\n")
    assert read_all(data_dir=tmp_path).ingest.unknown_devices == "refuse"
    (tmp_path / ".env").unlink()
    monkeypatch.setenv("TELEMETRIO_UNKNOWN_DEVICES", "refuse")
    assert read_all(data_dir=tmp_path).ingest.unknown_devices == "refuse"


def test_every_service_has_the_same_data_directory(tmp_path: Path) -> None:
    """A flag of the command reaches all of them."""
    settings = read_all(data_dir=tmp_path, port=5999)
    assert {each.data_dir for each in settings} == {tmp_path}
    assert settings.up.port == 5999


def test_listening_elsewhere_than_on_loopback_is_refused() -> None:
    """Without accounts everybody who reaches the port would be admin."""
    with pytest.raises(Refusal, match="loopback") as caught:
        read_all(host="192.0.2.1")
    assert caught.value.code == ExitCode.WRONG_SETTINGS


def test_with_accounts_it_may_listen_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """The web alone: MQTT stays on loopback, since devices have no credentials."""
    monkeypatch.setenv("TELEMETRIO_AUTH", "required")
    settings = read_all(host="192.0.2.1").up
    assert (settings.hosts, settings.mqtt_hosts, settings.exposed) == (("192.0.2.1",), ("127.0.0.1", "::1"), True)
    here = read_all(host="[::1]").up
    assert (here.hosts, here.mqtt_hosts, here.exposed) == (("::1",), ("::1",), False)


@pytest.mark.parametrize(
    ("elsewhere", "refused"),
    [
        ({}, False),
        ({"TELEMETRIO_HOST": "192.0.2.1"}, True),
        ({"TELEMETRIO_TRUSTED_HOPS": "1"}, True),
        ({"TELEMETRIO_ALLOWED_HOSTS": "localhost,example.org"}, True),
    ],
)
@pytest.mark.parametrize("name", ["SECRET_KEY", "TELEMETRIO_SECRET_KEY", "file"])
def test_an_example_secret_is_for_this_machine_alone(
    elsewhere: dict[str, str], *, refused: bool, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever others can reach it, through a proxy, too, it is refused, with the mend."""
    file = tmp_path / "secret"
    file.write_text("your-secret-key-here\n")
    secret = {name: "your-secret-key-here"} if name != "file" else {"TELEMETRIO_SECRET_KEY_FILE": str(file)}
    for variable, value in {**elsewhere, **secret, "TELEMETRIO_AUTH": "required"}.items():
        monkeypatch.setenv(variable, value)
    if not refused:
        assert read_all().api.secret == "your-secret-key-here"  # noqa: S105
        return
    with pytest.raises(Refusal, match="token_urlsafe") as caught:
        read_all()
    assert "SECRET_KEY" in str(caught.value)
    assert caught.value.code == ExitCode.WRONG_SETTINGS


def test_a_secret_is_given_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice, or in a file that is not there, is a mistake."""
    monkeypatch.setenv("TELEMETRIO_SECRET_KEY_FILE", str(tmp_path / "none"))
    with pytest.raises(Refusal, match=r"TELEMETRIO_SECRET_KEY_FILE: .* can't be read"):
        read_all()
    monkeypatch.setenv("SECRET_KEY", "x")
    with pytest.raises(Refusal, match="given twice"):
        read_all()
