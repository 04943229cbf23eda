"""Dead letters by HTTP: the newest first, chosen, one by one, and their raw bytes."""

import hashlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from services.api import auth
from services.api.auth import Caller
from services.api.deadletters.schemas import Codes, Letter, Letters
from services.api.errors import Away
from services.api.resources import NoCommander
from shared.commands import Command
from shared.database.tables import dead_letters
from tests.integration.api_rig import NOON_NS, Api, opened

PATH = "/api/v1/dead-letters"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path) as given:
        yield given


def letter(number: int, **more: Any) -> dict[str, Any]:
    """The `number`-th letter of a worker, a second after the one before."""
    payload: bytes = more.pop("payload", b'{"temperature": NaN')
    return {
        "source": "ingest",
        "epoch": "e1",
        "letter": number,
        "user_id": 1,
        "device_id": "d1",
        "kind": "message",
        "code": "not_json",
        "detail": "unexpected end",
        "topic": "iot/devices/d1/data",
        "received_ns": NOON_NS + number * 1_000_000_000,
        "entries": 1,
        "payload": payload,
        "payload_bytes": len(payload),
        "sha256": hashlib.sha256(payload).hexdigest(),
        "paths": [],
        **more,
    }


async def test_the_newest_letter_comes_first(api: Api) -> None:
    """In pages, with how many there are in all."""
    await api.fill(dead_letters, *(letter(number) for number in range(5)))
    page = (await api.get(f"{PATH}?page=2&per_page=2")).json
    assert (page["total"], page["page"], page["per_page"]) == (5, 2, 2)
    assert [found["received_at"][17:19] for found in page["data"]] == ["02", "01"]
    Letters.model_validate(page)
    everything = (await api.get(PATH)).json
    assert (len(everything["data"]), everything["page"], everything["per_page"]) == (5, 1, 50)


async def test_a_letter_tells_what_came_and_why_it_stayed(api: Api) -> None:
    """Reason, topic, time, size and hash of the whole payload, and the metrics that were refused."""
    refused = letter(1, kind="part", code="not_finite", entries=0, paths=[["temperature", "not_finite"]])
    await api.fill(dead_letters, refused)
    found = (await api.get(f"{PATH}/1")).json
    Letter.model_validate(found)
    assert found == {
        "id": 1,
        "kind": "part",
        "code": "not_finite",
        "detail": "unexpected end",
        "device_id": "d1",
        "topic": "iot/devices/d1/data",
        "received_at": "2026-01-01T12:00:01.000000000Z",
        "entries": 0,
        "payload_bytes": 19,
        "sha256": refused["sha256"],
        "payload_text": '{"temperature": NaN',
        "paths": [{"path": "temperature", "code": "not_finite"}],
    }


async def test_an_empty_message_is_listed_like_any_other(api: Api) -> None:
    """SQLite has NULL for the start of nothing."""
    await api.fill(dead_letters, letter(1, payload=b"", code="empty"))
    assert [found["payload_text"] for found in (await api.get(PATH)).json["data"]] == [""]
    assert (await api.get(f"{PATH}/1/raw")).body == b""


@pytest.mark.parametrize(
    ("chosen", "letters"),
    [
        ("code=not_json", [1]),
        ("code=empty,not_json", [2, 1]),
        ("device_id=d2", [3, 2]),
        ("kind=shed", [3]),
        ("code=empty&device_id=d1", []),
        ("code=' OR 1=1", []),
        ("q=D2", [3, 2]),
        ("q=json", [1]),
        ("q=devices/d1/", [3, 2, 1]),
        ("q=d2&code=empty", [2]),
        ("q=%25", []),
    ],
)
async def test_letters_can_be_chosen(api: Api, chosen: str, letters: list[int]) -> None:
    """By reason, device and kind, several separated by commas; or by a part of what describes them, in any case."""
    await api.fill(
        dead_letters,
        letter(1),
        letter(2, code="empty", device_id="d2"),
        letter(3, code="rate_limited", device_id="d2", kind="shed"),
    )
    page = (await api.get(f"{PATH}?{chosen}")).json
    assert [found["id"] for found in page["data"]] == letters
    assert page["total"] == len(letters)


async def test_letters_are_counted_by_reason(api: Api) -> None:
    """Each reason with its letters, their devices and the newest of them, the most frequent first."""
    await api.fill(
        dead_letters,
        letter(1, code="empty"),
        letter(2),
        letter(3, device_id="d2"),
        letter(4, device_id=None),
    )
    found = (await api.get(f"{PATH}/codes")).json
    Codes.model_validate(found)
    assert [(each["code"], each["letters"], each["devices"]) for each in found] == [("not_json", 3, 2), ("empty", 1, 1)]
    assert found[0]["newest_at"] == "2026-01-01T12:00:04.000000000Z"
    assert [each["letters"] for each in (await api.get(f"{PATH}/codes?device_id=d1")).json] == [1, 1]


async def test_raw_bytes_come_as_a_download(api: Api) -> None:
    """Untouched, and never as something that a browser would show."""
    payload = b"\xff\x00<script>alert(1)</script>"
    await api.fill(dead_letters, letter(1, payload=payload))
    raw = await api.get(f"{PATH}/1/raw")
    assert (raw.status, raw.body) == (200, payload)
    assert raw.headers["Content-Type"] == "application/octet-stream"
    assert raw.headers["Content-Disposition"] == 'attachment; filename="dead-letter-1.bin"'
    assert raw.headers["X-Content-Type-Options"] == "nosniff"


async def test_whatever_came_can_be_told_as_text(api: Api) -> None:
    """Bytes that are no UTF-8 are replaced; of a long payload the first 2,000 characters."""
    await api.fill(dead_letters, letter(1, payload=b"\xff\x00ok"), letter(2, payload="ü".encode() * 32_768))
    long, odd = (await api.get(PATH)).json["data"]
    assert odd["payload_text"] == "\ufffd\x00ok"
    assert long["payload_text"] == "ü" * 2_000
    assert (await api.get(f"{PATH}/2/raw")).body == "ü".encode() * 32_768


@pytest.mark.parametrize("path", ["/7", "/7/raw", "/99999999999999999999"])
async def test_a_letter_that_is_not_there(api: Api, path: str) -> None:
    """404 with its code."""
    answer = await api.get(PATH + path)
    assert (answer.status, answer.json["code"]) == (404, "dead_letter_not_found")


@pytest.mark.parametrize("asked", ["page=0", "per_page=0", "per_page=1001", "page=x", "kind=all", "sort=code"])
async def test_a_wrong_parameter_is_refused(api: Api, asked: str) -> None:
    """400, naming it."""
    refused = await api.get(f"{PATH}?{asked}")
    assert (refused.status, refused.json["details"][0]["field"]) == (400, asked.partition("=")[0])


async def test_a_tenant_sees_only_their_own_letters(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not another's, and not those that belong to nobody."""
    await api.fill(dead_letters, letter(1), letter(2, user_id=None), letter(3, user_id=2))
    assert [found["id"] for found in (await api.get(PATH)).json["data"]] == [3, 2, 1]
    monkeypatch.setattr(auth, "identify", lambda: Caller(2, "user"))
    page = (await api.get(PATH)).json
    assert ([found["id"] for found in page["data"]], page["total"]) == ([3], 1)
    assert [(await api.get(f"{PATH}/{key}/raw")).status for key in (1, 2, 3)] == [404, 404, 200]
    assert [each["letters"] for each in (await api.get(f"{PATH}/codes")).json] == [1]
    assert [found["id"] for found in (await api.get(f"{PATH}?q=not_json")).json["data"]] == [3]


def commanded(api: Api) -> list[tuple[str, str, str, tuple[int, ...]]]:
    return [(source, made.epoch, made.action, made.letters) for source, made in api.commander.commands]


@pytest.mark.parametrize("action", ["redrive", "discard"])
async def test_letters_are_commanded_by_their_ids(api: Api, action: str) -> None:
    """Each goes to the worker that has it, in the file that it lies in; ids that nobody has are not counted."""
    await api.fill(dead_letters, letter(7), letter(8, source="other"), letter(9), letter(7, epoch="e2"), letter(10))
    answer = await api.post(f"{PATH}/{action}", {"ids": [1, 2, 3, 4, 99]})
    assert (answer.status, answer.json) == (202, {"commanded": 4})
    assert commanded(api) == [
        ("ingest", "e1", action, (7, 9)),
        ("other", "e1", action, (8,)),
        ("ingest", "e2", action, (7,)),
    ]
    assert len({made.command_id for _, made in api.commander.commands}) == 3


@pytest.mark.parametrize(
    ("chosen", "letters"),
    [
        ({"code": ["empty", "not_json"]}, (1, 2)),
        ({"device_id": ["d2"]}, (2, 3)),
        ({"kind": "shed"}, (3,)),
        ({"code": ["empty"], "device_id": ["d2"]}, (2,)),
        ({"q": "D2", "kind": "message"}, (2,)),
    ],
)
async def test_letters_are_commanded_by_the_filter_of_the_list(
    api: Api, chosen: dict[str, Any], letters: tuple[int, ...]
) -> None:
    """Reason, device and kind, as in the list."""
    await api.fill(
        dead_letters,
        letter(1),
        letter(2, code="empty", device_id="d2"),
        letter(3, code="rate_limited", device_id="d2", kind="shed"),
    )
    assert (await api.post(f"{PATH}/discard", chosen)).json == {"commanded": len(letters)}
    assert commanded(api) == [("ingest", "e1", "discard", letters)]


async def test_many_letters_are_several_commands(api: Api) -> None:
    """A command names a thousand at most."""
    await api.fill(dead_letters, *(letter(number) for number in range(1, 2_502)))
    assert (await api.post(f"{PATH}/discard", {"code": ["not_json"]})).json == {"commanded": 2_501}
    assert [len(made.letters) for _, made in api.commander.commands] == [1_000, 1_000, 501]


async def test_a_filter_that_finds_nothing_commands_nothing(api: Api) -> None:
    """Not an error: there is nothing left to do."""
    answer = await api.post(f"{PATH}/redrive", {"code": ["empty"]})
    assert (answer.status, answer.json) == (202, {"commanded": 0})
    assert (await api.post(f"{PATH}/redrive", {"ids": [7]})).json["code"] == "dead_letter_not_found"
    assert api.commander.commands == []


@pytest.mark.parametrize(
    ("chosen", "field"),
    [
        ({}, ""),
        ({"ids": [1], "code": ["empty"]}, ""),
        ({"ids": []}, "ids"),
        ({"ids": ["x"]}, "ids.0"),
        ({"ids": [2**63]}, "ids.0"),
        ({"kind": "all"}, "kind"),
        ({"device": ["d1"]}, "device"),
    ],
)
async def test_a_choice_that_says_nothing_or_too_much_is_refused(api: Api, chosen: dict[str, Any], field: str) -> None:
    """400, naming the field: never everything by a slip of the pen."""
    await api.fill(dead_letters, letter(1))
    refused = await api.post(f"{PATH}/discard", chosen)
    assert (refused.status, refused.json["details"][0]["field"]) == (400, field)
    assert api.commander.commands == []


async def test_a_tenant_commands_only_their_own_letters(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another's ids are 404, another's letters are not found by any filter, and nobody's are an admin's."""
    await api.fill(dead_letters, letter(1), letter(2, user_id=None), letter(3, user_id=2))
    monkeypatch.setattr(auth, "identify", lambda: Caller(2, "user"))
    assert (await api.post(f"{PATH}/discard", {"ids": [1, 2]})).status == 404
    assert (await api.post(f"{PATH}/discard", {"code": ["not_json"]})).json == {"commanded": 1}
    assert commanded(api) == [("ingest", "e1", "discard", (3,))]


async def test_while_ingest_is_away_it_is_said(api: Api) -> None:
    """503 with the time after which to ask again."""
    await api.fill(dead_letters, letter(1))
    api.commander.away = Away("Ingest is busy", "ingest_unavailable")
    answer = await api.post(f"{PATH}/redrive", {"ids": [1]})
    assert (answer.status, answer.json["code"], answer.headers["Retry-After"]) == (503, "ingest_unavailable", "5")
    with pytest.raises(Away, match="ingest-7"):
        await NoCommander().command("ingest-7", Command(command_id="c" * 8, action="discard", epoch="e", letters=(1,)))
