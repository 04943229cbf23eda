"""GET /api/v1/readings/latest: the newest values of many devices."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.api import auth
from services.api.auth import Caller
from services.api.readings.schemas import Latest
from shared.database.tables import latest
from tests.integration.api_rig import NOON_NS, Api, opened

PATH = "/api/v1/readings/latest"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path) as given:
        await given.add_user(2)
        await given.add_devices("d1", "d2", "silent")
        await given.add_devices("theirs", "new", user_id=2)
        rows = {"d1": {"t": 1.5, "on": True}, "d2": {"t": 2.0}, "theirs": {"t": 3.0}, "new": {"t": 4.0}}
        owners = {"theirs": 2}  # "new" has changed hands: its newest values are its former owner's
        await given.fill(latest, *(row(name, owners.get(name, 1), values) for name, values in rows.items()))
        yield given


def row(device_id: str, user_id: int, values: dict[str, Any]) -> dict[str, Any]:
    times = {"ts_ns": NOON_NS + 5, "seen_ns": NOON_NS}
    return {"device_id": device_id, "user_id": user_id, "measurement": "m", "values": values, **times}


async def asked(api: Api, **query: Any) -> dict[str, Any]:
    answer = await api.get(PATH, query_string=query)
    assert answer.status == 200, answer.json
    Latest.model_validate(answer.json, extra="forbid")
    found: dict[str, Any] = answer.json
    return found


async def test_newest_values_by_device(api: Api) -> None:
    """Every metric that was ever sent, at the newest reading's own time; a silent device is in neither list."""
    assert await asked(api, devices="d2,d1, silent,nobody's") == {
        "data": [
            {
                "device_id": "d1",
                "timestamp": "2026-01-01T12:00:00.000000005Z",
                "measurement": "m",
                "values": {"t": 1.5, "on": True},
            },
            {
                "device_id": "d2",
                "timestamp": "2026-01-01T12:00:00.000000005Z",
                "measurement": "m",
                "values": {"t": 2.0},
            },
        ],
        "unknown": ["nobody's"],
    }


async def test_only_the_metrics_asked_for(api: Api) -> None:
    """A device without them is not there; times as integers on demand."""
    found = await asked(api, devices="*", metrics="on", epoch="s")
    assert [(one["device_id"], one["values"], one["timestamp"]) for one in found["data"]] == [
        ("d1", {"on": True}, NOON_NS // 10**9)
    ]


async def test_a_tenant_sees_only_their_own(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else's device is unknown; what a former owner's device sent stays unseen."""
    monkeypatch.setattr(auth, "identify", lambda: Caller(2, "user"))
    found = await asked(api, devices="d1,theirs,new")
    assert ([one["device_id"] for one in found["data"]], found["unknown"]) == (["theirs"], ["d1"])
    assert [one["device_id"] for one in (await asked(api, devices="*"))["data"]] == ["theirs"]


@pytest.mark.parametrize(
    ("query", "field"),
    [("devices=" + "d," * 1_000, "devices"), ("devices=a%00", "devices"), ("devices=*&x=1", "x")],
)
async def test_a_wrong_parameter_is_named(api: Api, query: str, field: str) -> None:
    """400, with the parameter."""
    refused = await api.get(f"{PATH}?{query}")
    assert refused.status == 400
    assert field in [detail["field"] for detail in refused.json["details"]]
