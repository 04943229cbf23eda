"""What EMQX asks, as its documentation has it ask: who may come in, and who may say and hear what."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy.exc import OperationalError

from services.api.brokerauth import queries
from services.api.brokerauth.schemas import Deed, Entry
from services.api.credentials.usernames import Named, parse_username
from services.api.door import KEY as DOOR
from services.api.resources import KEY, AskedLater
from tests.integration.api_rig import Api, opened

SECRET: Final = "a-broker-proves-itself-with-this-one"  # noqa: S105
PROOF: Final = {"Authorization": f"Bearer {SECRET}"}
PATH: Final = "/api/v1/broker"
REQUESTS: Final = json.loads((Path(__file__).parents[1] / "payloads" / "emqx.json").read_text())


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path, logins_per_min=3) as given:
        await given.add_devices("d1", "d2")
        app = given.app.extensions
        app[KEY] = replace(app[KEY], broker_secret=SECRET, admission=AskedLater(named=True))
        yield given


async def made(api: Api, device_id: str = "d1") -> dict[str, Any]:
    """As EMQX sends it when the device connects."""
    told = (await api.post(f"/api/v1/devices/{device_id}/credentials", {"name": "2026"})).json
    assert told["username"] == f"{device_id}~2026"
    return {**REQUESTS["authenticate"], "username": told["username"], "password": told["password"]}


async def result(api: Api, question: str, asked: Any, headers: Any = PROOF) -> str:
    """In words; the status is 200 whatever they are."""
    answer = await api.ask("POST", f"{PATH}/{question}", json=asked, headers=headers)
    assert answer.status == 200, answer.json
    assert list(answer.json) == ["result"]
    word: str = answer.json["result"]
    return word


def test_names_at_a_broker() -> None:
    """A device's id, a `~` and the credential's name; anything else is nobody of ours."""
    assert parse_username("d1~2026") == Named("d1", "2026")
    assert parse_username(Named("d1", "a.b").username) == Named("d1", "a.b")
    for text in ("", "d1", "~a", "d1~", "_ingest", "undefined", "a b~c", "iot/d1~a"):
        assert parse_username(text) is None, text
    assert Entry.model_validate(REQUESTS["authenticate"]).clientid == "d1"
    assert Deed.model_validate(REQUESTS["publish"]).action == "publish"


async def test_a_device_comes_in_with_its_password_and_its_id(api: Api) -> None:
    """Not with another's client id, a wrong password or none; when it was is told."""
    asked = await made(api)
    assert await result(api, "authenticate", asked) == "allow"
    assert (await api.get("/api/v1/devices/d1/credentials")).json[0]["last_used_at"] is not None
    for wrong in ({"clientid": "d2"}, {"clientid": "telemetrio/ingest"}, {"password": "x"}, {"password": ""}):
        assert await result(api, "authenticate", {**asked, **wrong}) == "deny", wrong
    assert await result(api, "authenticate", {**asked, "username": "d2~2026", "clientid": "d2"}) == "deny"


async def test_others_are_somebody_elses_business(api: Api) -> None:
    """Services and people have accounts of EMQX's own: it asks there."""
    for username in ("ingest", "d1", "undefined", ""):
        assert await result(api, "authenticate", {**REQUESTS["authenticate"], "username": username}) == "ignore"
        assert await result(api, "authorize", {**REQUESTS["publish"], "username": username}) == "ignore"


async def test_a_device_uses_its_own_topics_alone(api: Api) -> None:
    """To publish and to subscribe, wildcards and shared subscriptions included."""
    await made(api)
    for asked in (REQUESTS["publish"], REQUESTS["subscribe"]):
        for topic, word in (
            ("iot/devices/d1/data", "allow"),
            ("iot/devices/d1/#", "allow"),
            ("iot/devices/d1", "deny"),
            ("iot/devices/d10/data", "deny"),
            ("iot/devices/d2/data", "deny"),
            ("iot/devices/+/data", "deny"),
            ("iot/devices/#", "deny"),
            ("#", "deny"),
            ("$share/g/iot/devices/d1/data", "deny"),
            ("telemetrio/live/ingest", "deny"),
        ):
            assert await result(api, "authorize", {**asked, "topic": topic}) == word, topic


async def test_each_worker_may_have_a_prefix_of_its_own(api: Api) -> None:
    """A device has its topics under each, and under no other."""
    await made(api)
    app = api.app.extensions
    app[KEY] = replace(app[KEY], device_prefixes=("iot/devices", "iot/devices-2"))
    for prefix, word in (("iot/devices", "allow"), ("iot/devices-2", "allow"), ("iot/devices-3", "deny")):
        assert await result(api, "authorize", {**REQUESTS["publish"], "topic": f"{prefix}/d1/data"}) == word
        assert await result(api, "authorize", {**REQUESTS["publish"], "topic": f"{prefix}/d2/data"}) == "deny"


@pytest.mark.parametrize("how", ["revoked", "disabled", "deleted"])
async def test_who_is_out_is_out(api: Api, how: str) -> None:
    """With the next question, of either kind."""
    asked = await made(api)
    match how:
        case "revoked":
            await api.ask("DELETE", "/api/v1/devices/d1/credentials/2026")
        case "disabled":
            await api.ask("PATCH", "/api/v1/devices/d1", json={"disabled": True})
        case _:
            await api.ask("DELETE", "/api/v1/devices/d1")
    assert await result(api, "authenticate", asked) == "deny"
    assert await result(api, "authorize", REQUESTS["publish"]) == "deny"


async def test_who_is_no_broker_is_denied(api: Api) -> None:
    """Without the secret, with another one, with part of it; a good password changes nothing."""
    asked = await made(api)
    for shown in (
        {},
        {"Authorization": SECRET},
        {"Authorization": "Bearer "},
        {"Authorization": f"Bearer {SECRET[:-1]}"},
    ):
        assert await result(api, "authenticate", asked, shown) == "deny"
        assert await result(api, "authorize", REQUESTS["publish"], shown) == "deny"


async def test_nothing_falls_through(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any other status is "ask the next one" to EMQX: what is no question, and what can't be looked up, is denied."""
    asked = await made(api)
    bodies: list[Any] = [{}, {"topic": 7, "action": "publish"}, {"topic": "t", "action": "rule"}, [], None]
    for body in bodies:
        assert await result(api, "authorize", body) == "deny", body
    answer = await api.ask("POST", f"{PATH}/authenticate", data=b"{", headers={**PROOF, "Content-Type": "text/plain"})
    assert (answer.status, answer.json) == (200, {"result": "deny"})

    async def away(*_: object) -> None:
        raise OperationalError("SELECT", {}, Exception("the database is away"))

    monkeypatch.setattr(queries, "find_credential", away)
    assert await result(api, "authenticate", asked) == "deny"


async def test_guessing_is_slowed_down_for_the_guesser_alone(api: Api) -> None:
    """From one address, for one device; from elsewhere it comes in, and right passwords never count."""
    asked = await made(api)
    for _ in range(5):
        assert await result(api, "authenticate", asked) == "allow"
    for _ in range(3):
        await result(api, "authenticate", {**asked, "password": "x"})
    assert await result(api, "authenticate", asked) == "deny"
    assert await result(api, "authenticate", {**asked, "peerhost": "192.0.2.9"}) == "allow"


async def test_a_device_that_knocks_too_often_comes_in_once_it_is_right(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It tries again and again, quicker than the rate: a password that was mended lets it in all the same."""
    asked, now_s = await made(api), [0.0]
    app = api.app.extensions
    monkeypatch.setitem(app, DOOR, replace(app[DOOR], moment_s=lambda: now_s[0]))
    seen = []
    for _ in range(30):
        seen.append(await result(api, "authenticate", {**asked, "password": "x"}))
        now_s[0] += 5
    assert seen == ["deny"] * 30
    for _ in range(5):
        seen.append(await result(api, "authenticate", asked))
        now_s[0] += 5
    assert seen[-1] == "allow"


async def test_an_outage_counts_as_no_wrong_password(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who could not be looked up has not guessed: the fleet comes in as soon as the database is back."""
    asked = await made(api)

    async def away(*_: object) -> None:
        raise OperationalError("SELECT", {}, Exception("the database is away"))

    with monkeypatch.context() as outage:
        outage.setattr(queries, "find_credential", away)
        for _ in range(9):
            assert await result(api, "authenticate", asked) == "deny"
    assert await result(api, "authenticate", asked) == "allow"


async def test_it_is_not_there_unless_it_is_set_up(tmp_path: Path) -> None:
    """404, for whoever asks."""
    async with opened(tmp_path) as plain:
        answer = await plain.ask("POST", f"{PATH}/authenticate", json=REQUESTS["authenticate"], headers=PROOF)
        assert answer.status == 404
