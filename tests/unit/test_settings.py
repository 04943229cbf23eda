"""Settings: where they come from, which one wins, and what is said of a wrong one."""

from pathlib import Path
from typing import Any

import pytest
from pydantic_settings import BaseSettings

from services.ingest.settings import IngestSettings
from shared.process import ExitCode, Refusal
from shared.settings import ServiceSettings, WebSettings, read_settings
from telemetrio.settings import UpSettings, refuse_unknown


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No .env of a developer, no variable of a shell."""
    monkeypatch.chdir(tmp_path)
    for name in ("DATABASE_URL", "CORS_ORIGINS"):
        monkeypatch.delenv(name, raising=False)


def refusal(cls: type[BaseSettings], **given: Any) -> str:
    with pytest.raises(Refusal) as caught:
        read_settings(cls, **given)
    assert caught.value.code == ExitCode.WRONG_SETTINGS
    return str(caught.value)


@pytest.mark.parametrize(
    ("cls", "name", "value", "mend"),
    [
        (ServiceSettings, "TELEMETRIO_DATABASE_URL", "mysql://u:p@h/d", "use postgresql://"),
        (ServiceSettings, "DATABASE_URL", "mysql+aiomysql://u:p@h/d", "use postgresql://"),
        (ServiceSettings, "TELEMETRIO_DATABASE_URL", "redis://h", "use postgresql://"),
        (ServiceSettings, "TELEMETRIO_DATABASE_URL", "telemetrio.db", "use postgresql://"),
        (ServiceSettings, "TELEMETRIO_LOG_LEVEL", "loud", "'debug', 'info', 'warning' or 'error'"),
        (ServiceSettings, "TELEMETRIO_DRAIN_S", "0", "greater than 0"),
        (IngestSettings, "TELEMETRIO_MAX_AHEAD_S", "inf", "finite number"),
        (WebSettings, "TELEMETRIO_CORS_ORIGINS", "localhost:5173", "write it as http://localhost:5173"),
        (WebSettings, "TELEMETRIO_CORS_ORIGINS", "http://a/b", "write it as http://localhost:5173"),
        (IngestSettings, "TELEMETRIO_SOURCE", "a b", "pattern"),
        (IngestSettings, "TELEMETRIO_MAX_OUTBOX_MIB", "much", "integer"),
        (IngestSettings, "TELEMETRIO_UNKNOWN_DEVICES", "maybe", "'register' or 'refuse'"),
        (UpSettings, "TELEMETRIO_PORT", "70000", "less than or equal to 65535"),
        (UpSettings, "TELEMETRIO_HOST", "0.0.0.0", "leave it at localhost"),
    ],
)
def test_a_wrong_setting_names_itself_and_the_mend(
    monkeypatch: pytest.MonkeyPatch, cls: type[BaseSettings], name: str, value: str, mend: str
) -> None:
    """One line, by the name that the operator wrote, without the value (it may hold a password)."""
    monkeypatch.setenv(name, value)
    said = refusal(cls)
    assert said.startswith(f"{name}: ")
    assert mend in said
    assert "\n" not in said
    assert "u:p@h" not in said


def test_every_wrong_setting_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operator mends all of them in one go."""
    monkeypatch.setenv("TELEMETRIO_PORT", "x")
    monkeypatch.setenv("TELEMETRIO_MQTT_PORT", "y")
    assert [line.partition(":")[0] for line in refusal(UpSettings).splitlines()] == [
        *("TELEMETRIO_PORT", "TELEMETRIO_MQTT_PORT"),
    ]


@pytest.mark.parametrize(
    ("given", "opened"),
    [
        ("postgres://u:p@h/d", "postgresql+asyncpg://u:p@h/d"),
        ("postgresql://h/d?ssl=require", "postgresql+asyncpg://h/d?ssl=require"),
        ("postgresql+asyncpg://h/d", "postgresql+asyncpg://h/d"),
        ("sqlite:///x.db", "sqlite+aiosqlite:///x.db"),
        ("sqlite:////abs/x.db", "sqlite+aiosqlite:////abs/x.db"),
        ("sqlite+aiosqlite:///x.db", "sqlite+aiosqlite:///x.db"),
    ],
)
def test_a_database_url_is_rewritten_for_the_async_driver(
    monkeypatch: pytest.MonkeyPatch, given: str, opened: str
) -> None:
    """Whatever the usual way to write it is, under our name or the seeds'."""
    monkeypatch.setenv("DATABASE_URL", given)
    assert read_settings(ServiceSettings).database == opened
    monkeypatch.setenv("DATABASE_URL", "sqlite:///other.db")
    monkeypatch.setenv("TELEMETRIO_DATABASE_URL", given)
    assert read_settings(ServiceSettings).database == opened


def test_the_databases_password_may_be_in_a_file(tmp_path: Path) -> None:
    """As it is, whatever is in it, and only for a server whose URL has none."""
    file = tmp_path / "password"
    file.write_text("p@ss/word:1\n")
    settings = read_settings(ServiceSettings, database_url="postgresql://u@h/d", database_password_file=file)
    assert settings.database == "postgresql+asyncpg://u:p%40ss%2Fword%3A1@h/d"
    assert "p@ss" not in repr(settings)
    for url, said in (
        ("postgresql://u:p@h/d", "given twice"),
        ("sqlite:///x.db", "a file needs no password"),
        ("", "a file needs no password"),
    ):
        assert said in refusal(ServiceSettings, database_url=url, database_password_file=file)
    gone = refusal(ServiceSettings, database_url="postgresql://u@h/d", database_password_file=tmp_path / "gone")
    assert gone.startswith("TELEMETRIO_DATABASE_PASSWORD_FILE: ")


def test_without_a_database_url_it_is_a_file_of_the_data_directory(tmp_path: Path) -> None:
    """Absolute, so that a later chdir changes nothing."""
    settings = read_settings(ServiceSettings, data_dir=Path("here"))
    assert settings.database == f"sqlite+aiosqlite:///{tmp_path / 'here' / 'telemetrio.db'}"


def test_flags_beat_the_environment_and_that_beats_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A flag that was not given (None) leaves the environment its word."""
    (tmp_path / ".env").write_text("TELEMETRIO_PORT=1\nTELEMETRIO_MQTT_PORT=1\nTELEMETRIO_HOST=::1\nOTHER=x\n")
    monkeypatch.setenv("TELEMETRIO_PORT", "2")
    monkeypatch.setenv("TELEMETRIO_MQTT_PORT", "2")
    settings = read_settings(UpSettings, port=3, mqtt_port=None)
    assert (settings.port, settings.mqtt_port, settings.host) == (3, 2, "::1")


def test_a_flag_beats_the_environment_also_where_a_setting_has_two_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment's own name of a field must not hide what the command line said."""
    monkeypatch.setenv("TELEMETRIO_DATABASE_URL", "sqlite:///environment.db")
    monkeypatch.setenv("CORS_ORIGINS", "http://environment")
    assert read_settings(ServiceSettings, database_url="sqlite:///flag.db").database.endswith("/flag.db")
    assert read_settings(WebSettings, cors_origins=("http://flag",)).cors_origins == ("http://flag",)


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blanks around them and empty ends are forgiven."""
    monkeypatch.setenv("CORS_ORIGINS", " http://a , https://b:8080 ,")
    monkeypatch.setenv("TELEMETRIO_ALLOWED_HOSTS", "example.org")
    settings = read_settings(WebSettings)
    assert settings.cors_origins == ("http://a", "https://b:8080")
    assert settings.allowed_hosts == ("example.org",)


def test_a_setting_that_nobody_reads_is_a_slip_of_the_pen(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is refused with the name that was probably meant."""
    refuse_unknown()
    monkeypatch.setenv("TELEMETRIO_MAX_OUTBOX_MB", "1")
    with pytest.raises(Refusal, match=r"TELEMETRIO_MAX_OUTBOX_MB.*did you mean TELEMETRIO_MAX_OUTBOX_MIB"):
        refuse_unknown()
    monkeypatch.delenv("TELEMETRIO_MAX_OUTBOX_MB")
    monkeypatch.setenv("TELEMETRIO_ZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZ", "1")
    with pytest.raises(Refusal, match=r"TELEMETRIO_ZZZZZZZZZZZZZZZZZZZZZZZZZZZZZZ.*docs/settings\.md"):
        refuse_unknown()


@pytest.mark.parametrize(("host", "hosts"), [("localhost", ("127.0.0.1", "::1")), ("[::1]", ("::1",))])
def test_only_loopback_is_listened_on(host: str, hosts: tuple[str, ...]) -> None:
    """`localhost` is both families."""
    assert read_settings(UpSettings, host=host).hosts == hosts
