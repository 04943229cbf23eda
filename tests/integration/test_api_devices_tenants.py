"""Every route that names a device, from the map of routes: what is somebody else's looks like what does not exist."""

import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from services.api import auth
from services.api.auth import Caller
from shared.database.tables import device_credentials, device_measurements, latest
from tests.integration.api_rig import NOON_NS, Answer, Api, opened

# of a body that each of them would take
BODY = {"name": "x", "profile": "knee", "disabled": True, "user_id": 2}


@pytest.fixture
async def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    """Asked by user 2, while `theirs` belongs to user 3 and has some of everything."""
    async with opened(tmp_path) as given:
        await given.add_user(2)
        await given.add_user(3)
        await given.add_devices("theirs", user_id=3)
        await given.fill(device_credentials, {"device": 1, "name": "x", "password_hash": "x", "created_ns": NOON_NS})
        lies = {"device_id": "theirs", "measurement": "sensor_data", "user_id": 3}
        await given.fill(device_measurements, {**lies, "since_ns": NOON_NS})
        await given.fill(latest, {**lies, "ts_ns": NOON_NS, "seen_ns": NOON_NS, "values": {"temperature": 1.0}})
        monkeypatch.setattr(auth, "identify", lambda: Caller(2, "user"))
        yield given


def routes_of_a_device(api: Api) -> Iterator[tuple[str, str]]:
    """(method, path) with `{}` for the device."""
    for rule in api.app.url_map.iter_rules():
        if "device_id>" in rule.rule:
            path = re.sub("<[a-z:]*device_id>", "{}", rule.rule).replace("<name>", "x")
            yield from ((method, path) for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}))


async def everything(api: Api) -> list[object]:
    return [
        *await api.rows("SELECT * FROM devices"),
        *await api.rows("SELECT * FROM device_credentials"),
        *await api.rows("SELECT * FROM latest"),
    ]


async def test_somebody_elses_device_is_an_unknown_one(api: Api) -> None:
    """404 on every route with every method, byte for byte that of an unknown device, and nothing is done to it."""
    before = await everything(api)
    asked = list(routes_of_a_device(api))
    assert len(asked) >= 9
    for method, path in asked:
        theirs, unknown, odd = [
            await api.ask(method, path.format(device_id), json=None if method == "GET" else BODY)
            for device_id in ("theirs", "nobody", "no%20id")
        ]
        assert theirs.status == 404, (method, path, theirs.body)
        assert bare(theirs) == bare(unknown) == bare(odd), (method, path)
    assert await everything(api) == before


def bare(answer: Answer) -> tuple[int, bytes, list[tuple[str, str]]]:
    """All that a client can see but the request's own id."""
    request_id = answer.headers["X-Request-ID"]
    headers = [(name, value) for name, value in answer.headers.items() if value != request_id]
    return answer.status, answer.body.replace(request_id.encode(), b""), headers


async def test_a_wrong_body_tells_nothing_either(api: Api) -> None:
    """It is refused for what it says, whoever has the device; so is what only an administrator may do."""
    for sent, status in (({"name": ""}, 400), ({"profile": "toaster"}, 404), ({"user_id": 3}, 403)):
        answers = [await api.ask("PATCH", f"/api/v1/devices/{one}", json=sent) for one in ("theirs", "nobody")]
        assert {answer.status for answer in answers} == {status}
        assert bare(answers[0]) == bare(answers[1])
