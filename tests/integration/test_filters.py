"""A session's filters survive in the outbox's file, and a worker's settings are found wrong before any I/O."""

from pathlib import Path

import pytest

from services.ingest.__main__ import read_all
from services.ingest.filters import OutboxFilters
from services.ingest.outbox import Outbox
from services.ingest.outboxfile import Completion
from services.ingest.settings import IngestSettings
from shared.health import Health
from shared.process import ExitCode, Refusal


async def test_filters_are_remembered_across_a_restart(tmp_path: Path) -> None:
    """Saving replaces all of them, and doubles are one."""
    for expected, saved in (([], ["b", "a", "a"]), (["a", "b"], ["c"]), (["c"], [])):
        outbox = Outbox(IngestSettings(_env_file=None, data_dir=tmp_path, min_free_disk_mib=0), Health())
        await outbox.open()
        filters = OutboxFilters(outbox)
        assert await filters.load() == expected
        await filters.save(saved)
        await outbox.close()


def test_standing_says_how_far_everything_has_come(tmp_path: Path) -> None:
    """A heartbeat carries no readings, and is its own predecessor."""
    outbox = Outbox(IngestSettings(_env_file=None, data_dir=tmp_path), Health())
    outbox.last_seq = 7
    outbox.complete(Completion([1, 2, 3, 4, 5], 5))
    batch = outbox.standing()
    assert (batch.seq, batch.prev, batch.stored_seq, list(batch.readings)) == (7, 7, 5, [])


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("TELEMETRIO_MQTT_URL", "http://localhost", "mqtt://"),
        ("TELEMETRIO_INFLUXDB_URL", "localhost:8086", "http://localhost:8086"),
        ("TELEMETRIO_SHARE_GROUP", "a/b", "TELEMETRIO_SHARE_GROUP"),
    ],
)
def test_a_wrong_setting_of_a_worker_names_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    """Exit code 2, before a socket opens."""
    monkeypatch.setenv(name, value)
    with pytest.raises(Refusal, match=name) as caught:
        read_all(data_dir=tmp_path)
    assert caught.value.code == ExitCode.WRONG_SETTINGS
    assert said in str(caught.value)
