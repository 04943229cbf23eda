"""Where readings are kept: which settings say so, and which store that gives."""

from pathlib import Path

import pytest

from shared.process import ExitCode, Refusal
from shared.settings import read_settings
from shared.timeseries.buckets import BucketPerUser
from shared.timeseries.influx import InfluxStore
from shared.timeseries.opening import open_store
from shared.timeseries.settings import StoreSettings
from shared.timeseries.sqlite import SqliteStore
from tests.peers.certificates import authority

SEEDS = ("INFLUXDB_URL", "INFLUXDB_TOKEN", "INFLUXDB_ORG", "INFLUXDB_BUCKET")


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No .env of a developer, no variable of a shell."""
    monkeypatch.chdir(tmp_path)
    for name in SEEDS:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(f"TELEMETRIO_{name}", raising=False)


def refusal() -> str:
    with pytest.raises(Refusal) as caught:
        read_settings(StoreSettings)
    assert caught.value.code == ExitCode.WRONG_SETTINGS
    return str(caught.value)


def test_the_seeds_names_work_and_ours_win(monkeypatch: pytest.MonkeyPatch) -> None:
    """As they are written in the seeds' .env files."""
    for name, value in zip(SEEDS, ("http://localhost:8086/", "t", "o", "b"), strict=True):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TELEMETRIO_INFLUXDB_BUCKET", "ours")
    seen = read_settings(StoreSettings)
    assert (seen.influxdb_url, seen.token, seen.influxdb_org, seen.influxdb_bucket) == (
        "http://localhost:8086",
        "t",
        "o",
        "ours",
    )


def test_a_token_may_lie_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without its last newline; it is printed nowhere."""
    file = tmp_path / "token"
    file.write_text("secret\n")
    monkeypatch.setenv("TELEMETRIO_INFLUXDB_TOKEN_FILE", str(file))
    assert read_settings(StoreSettings).token == "secret"  # noqa: S105 - the one written above
    monkeypatch.setenv("TELEMETRIO_INFLUXDB_TOKEN", "secret")
    said = refusal()
    assert said.startswith("TELEMETRIO_INFLUXDB_TOKEN_FILE: a token is given twice")
    assert "secret" not in said
    monkeypatch.delenv("TELEMETRIO_INFLUXDB_TOKEN_FILE")
    assert "secret" not in repr(read_settings(StoreSettings))


@pytest.mark.parametrize("url", ["localhost:8086", "influxdb://localhost", "http://", "8086"])
def test_a_wrong_url_is_named_with_its_mend(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """Before anything is opened."""
    monkeypatch.setenv("TELEMETRIO_INFLUXDB_URL", url)
    assert refusal().startswith("TELEMETRIO_INFLUXDB_URL: this is no URL of InfluxDB: write it as http://")


def test_a_file_that_is_not_there_is_found_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by the first write."""
    monkeypatch.setenv("TELEMETRIO_INFLUXDB_TOKEN_FILE", "nowhere")
    assert refusal().startswith("TELEMETRIO_INFLUXDB_TOKEN_FILE: nowhere can't be read")


def test_buckets_of_users_need_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite has none."""
    monkeypatch.setenv("TELEMETRIO_INFLUXDB_BUCKET_PER_USER", "true")
    assert refusal().startswith("TELEMETRIO_INFLUXDB_BUCKET_PER_USER: without InfluxDB there are no buckets: set")


def test_an_authority_must_hold_a_certificate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file that isn't there, or is something else, or that plain http would never look at, is found at once."""
    file = tmp_path / "ca.pem"
    monkeypatch.setenv("TELEMETRIO_INFLUXDB_URL", "https://localhost:8086")
    monkeypatch.setenv("TELEMETRIO_INFLUXDB_CA_FILE", str(file))
    assert refusal().startswith("TELEMETRIO_INFLUXDB_CA_FILE: Path does not point to a file")
    file.write_text("no certificate")
    assert refusal().startswith(f"TELEMETRIO_INFLUXDB_CA_FILE: {file} holds no certificate in PEM")
    monkeypatch.setenv("TELEMETRIO_INFLUXDB_URL", "http://localhost:8086")
    assert refusal() == "TELEMETRIO_INFLUXDB_CA_FILE: it is for https://, and TELEMETRIO_INFLUXDB_URL is http://"


@pytest.mark.peer("openssl")
def test_an_authority_is_taken_for_https(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As it is written."""
    file = authority(tmp_path).certificate
    monkeypatch.setenv("TELEMETRIO_INFLUXDB_URL", "https://localhost:8086")
    monkeypatch.setenv("TELEMETRIO_INFLUXDB_CA_FILE", str(file))
    assert read_settings(StoreSettings).influxdb_ca_file == file


async def test_a_url_decides_where_readings_are_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file without one; with one no connection is made before it is used."""
    monkeypatch.setenv("TELEMETRIO_DATA_DIR", str(tmp_path))
    kept = await open_store(read_settings(StoreSettings))
    assert isinstance(kept, SqliteStore)
    await kept.close()
    assert (tmp_path / "readings.db").exists()
    monkeypatch.setenv("TELEMETRIO_INFLUXDB_URL", "http://localhost:1")
    store = await open_store(read_settings(StoreSettings))
    assert isinstance(store, InfluxStore)
    await store.close()
    monkeypatch.setenv("TELEMETRIO_INFLUXDB_BUCKET_PER_USER", "true")
    store = await open_store(read_settings(StoreSettings))
    assert isinstance(store, BucketPerUser)
    await store.close()
