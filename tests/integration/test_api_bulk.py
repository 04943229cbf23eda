"""/api/v1/devices/bulk: a fleet in from a CSV file, and out again."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.api import auth
from services.api.auth import Caller
from services.api.bulk import queries, sheet
from services.api.bulk.schemas import BulkReport
from services.api.errors import BadRequest
from services.api.limits import request_with_limits
from shared.database.tables import device_credentials
from tests.integration.api_rig import NOON_NS, Answer, Api, opened

PATH = "/api/v1/devices/bulk"
HEAD = "device_id,name,profile,disabled\n"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path) as given:
        yield given


async def send(api: Api, content: str | bytes, asked: str = "") -> Answer:
    answer = await api.ask("POST", PATH + asked, data=content, headers={"Content-Type": "text/csv"})
    if answer.status == 200:
        BulkReport.model_validate(answer.json, extra="forbid")
        outcomes = [answer.json[name] for name in ("added", "changed", "unchanged", "refused")]
        assert sum(outcomes) == answer.json["rows"] == len(answer.json["report"])
    return answer


def outcomes(answer: Answer) -> list[tuple[int, str, str, str]]:
    assert answer.status == 200, answer.json
    return [(each["row"], each["device_id"], each["outcome"], each["code"]) for each in answer.json["report"]]


async def stored(api: Api) -> list[tuple[Any, ...]]:
    rows = await api.rows("SELECT device_id, name, profile, disabled FROM devices ORDER BY device_id")
    return [(device_id, name, profile, bool(disabled)) for device_id, name, profile, disabled in rows]


async def test_a_file_adds_changes_and_leaves_alone(api: Api) -> None:
    """Each row says what became of it; an empty cell keeps what is there; sending it again changes nothing."""
    await api.add_devices("same", "renamed", "stopped", profile="knee")
    await api.add_devices("walk_in", claimed=False)
    content = HEAD + 'new,"Left, ""old"" one",,\nsame,Same,knee,false\nrenamed,Now,,\nstopped,Stopped,open,yes\n'
    content += "walk_in,Porch,,\n"
    first = await send(api, content)
    assert outcomes(first) == [
        (2, "new", "added", ""),
        (3, "same", "unchanged", ""),
        (4, "renamed", "changed", ""),
        (5, "stopped", "changed", ""),
        (6, "walk_in", "added", ""),
    ]
    expected = [
        ("new", 'Left, "old" one', "environment", False),
        ("renamed", "Now", "knee", False),
        ("same", "Same", "knee", False),
        ("stopped", "Stopped", "open", True),
        ("walk_in", "Porch", "environment", False),
    ]
    assert await stored(api) == expected
    again = await send(api, content)
    assert (again.json["unchanged"], again.json["rows"]) == (5, 5)
    assert await stored(api) == expected
    assert [tuple(row) for row in await api.rows("SELECT device_id, measurement FROM device_measurements")] == [
        ("stopped", "knee_data")
    ]


async def test_a_dry_run_tells_the_same_and_does_nothing(api: Api) -> None:
    """Row for row what would happen; then it does."""
    await api.add_devices("old")
    content = HEAD + "new,New,,\nold,Renamed,,\nbad id,x,,\nnew,Twice,,\n"
    before = await stored(api)
    dry = await send(api, content, "?dry_run=true")
    assert await stored(api) == before
    real = await send(api, content)
    assert dry.json == {**real.json, "dry_run": True}
    assert [each[2] for each in outcomes(real)] == ["added", "changed", "refused", "refused"]
    assert len(await stored(api)) == 2


async def test_a_bad_row_costs_nobody_else(api: Api) -> None:
    """It is refused with its code and a sentence that names the cell; the rows around it are taken."""
    rows = [
        "ok1,Fine,,",
        "bad id,Name,,",
        "ok2,,,",
        "ok3,Name,toaster,",
        "ok4,Name,a b,",
        "ok5,Name,,perhaps",
        "ok6,Name",
        "ok7,Name,,,more",
        "ok1,Again,,",
        f"ok8,{'n' * 256},,",
        "ok9,a\x00b,,",
        "",
        ",,,",
        "okA,Fine,,",
    ]
    answer = await send(api, HEAD + "\n".join(rows))
    assert outcomes(answer) == [
        (2, "ok1", "added", ""),
        (3, "bad id", "refused", "bad_device_id"),
        (4, "ok2", "refused", "required"),
        (5, "ok3", "refused", "unknown_profile"),
        (6, "ok4", "refused", "string_pattern_mismatch"),
        (7, "ok5", "refused", "bool_parsing"),
        (8, "ok6", "refused", "wrong_number_of_cells"),
        (9, "ok7", "refused", "wrong_number_of_cells"),
        (10, "ok1", "refused", "duplicate"),
        (11, "ok8", "refused", "string_too_long"),
        (12, "ok9", "refused", "value_error"),
        (15, "okA", "added", ""),
    ]
    messages = {each["row"]: each["message"] for each in answer.json["report"]}
    assert messages[5] == "Profile: is one of environment, knee, open"
    assert messages[4] == "Name is required"
    assert messages[10] == "Row 2 has this device_id already"
    assert [row[0] for row in await stored(api)] == ["ok1", "okA"]


@pytest.mark.parametrize(
    ("content", "code", "said"),
    [
        (b"", "bad_header", "no column device_id"),
        (b"device_id\nd1\n", "bad_header", "no column name"),
        (b"d1,Name,environment\n", "bad_header", "'d1' is no column"),
        (b"device_id;name\nd1;Name\n", "bad_header", "semicolons"),
        (b"device_id,name,name\n", "bad_header", "twice"),
        (b"device_id,name\nd1,\xff\n", "not_utf8", "UTF-8"),
        (b'device_id,name\nd1,"open\n', "bad_csv", "row 1"),
        (b'device_id,name\nd1,x\nd2,"a"b\n', "bad_csv", "row 2"),
    ],
)
async def test_a_file_that_is_none_is_refused_whole(api: Api, content: bytes, code: str, said: str) -> None:
    """400 that says where and how to mend it; not even the rows before are taken."""
    refused = await send(api, content)
    assert (refused.status, refused.json["code"]) == (400, code)
    assert said in refused.json["error"]
    assert await stored(api) == []


async def test_what_spreadsheets_save_is_read(api: Api) -> None:
    """A byte order mark, CRLF, columns in another order, blanks around cells, a last line without an end."""
    content = "\ufeffname , device_id\r\nPorch, p1 \r\nCafé ☕,p2"
    assert (await send(api, content)).json["added"] == 2
    assert await stored(api) == [("p1", "Porch", "environment", False), ("p2", "Café ☕", "environment", False)]


async def test_it_has_a_type_and_a_limit_of_its_own(tmp_path: Path) -> None:
    """415 for anything but text/csv; above max_bulk_mib 413, however it is sent; other bodies keep their limit."""
    async with opened(tmp_path, max_bulk_mib=2, max_body_kib=16) as api:
        assert (await api.post(PATH, {"device_id": "d1"})).json["code"] == "not_csv"
        large = HEAD + "".join(f"d{number},{'n' * 200},,\n" for number in range(8_000))
        assert (await send(api, large)).json["added"] == 8_000
        assert (await send(api, large * 2)).status == 413
        assert (await api.post("/api/v1/devices", {"device_id": "x", "name": "n" * 20_000})).status == 413
        assert (await send(api, HEAD, "?dry_run=perhaps")).status == 400
    assert request_with_limits({}).__mro__[1] is api.app.request_class.__mro__[1]


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_the_file_is_no_device(api: Api, method: str) -> None:
    """405 for what is done to one device; a device of a longer name is one."""
    await api.add_devices("bulk", "bulk.1")
    refused = await api.ask(method, PATH, json={"name": "x"})
    assert (refused.status, refused.headers["Allow"]) == (405, "GET, HEAD, OPTIONS, POST")
    assert (await api.ask(method, f"{PATH}.1", json={"name": "x"})).status < 300


async def test_ten_thousand_rows_in_and_out(api: Api) -> None:
    """Added, then exported as they were sent; what is read of a file at a time is one chunk."""
    lines = [f"d{number:05},Device {number},knee,false\r\n" for number in range(10_000)]
    content = "device_id,name,profile,disabled\r\n" + "".join(lines)
    assert {len(chunk) for chunk in sheet.chunks(content.encode())} == {sheet.CHUNK}
    assert (await send(api, content)).json["added"] == 10_000
    exported = await api.get(PATH)
    assert (exported.status, exported.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert exported.headers["Content-Disposition"] == 'attachment; filename="devices.csv"'
    assert exported.body.decode() == content


def test_more_rows_than_a_report_can_hold_are_refused() -> None:
    """Before anything is done."""
    with pytest.raises(BadRequest, match="split the file"):
        sheet.check(b"device_id,name\n" + b"a,b\n" * (sheet.MAX_ROWS + 1))
    sheet.check(b"device_id,name\n" + b"a,b\n" * sheet.MAX_ROWS)


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=255)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(names | st.from_regex(r"[=+\-@'\t\r\n]{1,3}[^\x00]{0,5}", fullmatch=True), st.booleans()), max_size=20
    )
)
def test_every_name_survives_a_file(named: list[tuple[str, bool]]) -> None:
    """Written and read again it is the same, whatever quotes, commas, line ends or formulas are in it."""
    rows = [(f"d{number}", name, "open", str(off).lower()) for number, (name, off) in enumerate(named)]
    raw = sheet.write([sheet.COLUMNS, *rows]).encode()
    sheet.check(raw)
    read = [row for chunk in sheet.chunks(raw) for row in chunk]
    expected = [sheet.Row(number + 2, f"d{number}", name, "open", off) for number, (name, off) in enumerate(named)]
    assert read == expected


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\r=x", "\n=x", "'=1+1", "'already"])
async def test_no_cell_is_a_formula(api: Api, name: str) -> None:
    """What a spreadsheet would run begins with a quote in the file, and is itself again when it is sent back."""
    await api.post("/api/v1/devices", {"device_id": "d1", "name": name})
    exported = (await api.get(PATH)).body
    cell = exported.split(b"\r\n", 1)[1].split(b",", 1)[1].lstrip(b'"')
    assert cell.startswith(b"'")
    assert (await send(api, exported)).json["unchanged"] == 1
    assert (await api.get("/api/v1/devices/d1")).json["name"] == name


async def test_a_user_reaches_their_own_devices_only(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else's are refused as taken and not exported; an unclaimed one becomes theirs, without old keys."""
    await api.add_user(2)
    await api.add_devices("theirs")
    await api.add_devices("walk_in", claimed=False)
    await api.fill(device_credentials, {"device": 2, "name": "old", "password_hash": "x", "created_ns": NOON_NS})
    monkeypatch.setattr(auth, "identify", lambda: Caller(2, "user"))
    answer = await send(api, HEAD + "theirs,Mine,,\nwalk_in,Mine,,\nnew,Mine,,\n")
    assert [each[2:] for each in outcomes(answer)] == [("refused", "device_exists"), ("added", ""), ("added", "")]
    assert (await api.get(PATH)).body.decode().count("Mine") == 2
    rows = await api.rows("SELECT device_id, user_id, name FROM devices ORDER BY device_id")
    assert [tuple(row) for row in rows] == [("new", 2, "Mine"), ("theirs", 1, "Theirs"), ("walk_in", 2, "Mine")]
    assert await api.rows("SELECT 1 FROM device_credentials") == []


async def test_two_files_at_once(api: Api) -> None:
    """Each device is added by one of them, in whatever order they name them; nobody waits for ever."""
    ids = [f"d{number:04}" for number in range(700)]
    await api.add_devices(*ids[:100])
    files = [HEAD + "".join(f"{each},{name},,\n" for each in order) for name, order in (("a", ids), ("b", ids[::-1]))]
    async with asyncio.timeout(30):
        answers = await asyncio.gather(*(send(api, content) for content in files))
    assert {answer.status for answer in answers} == {200}
    added = [each["device_id"] for answer in answers for each in answer.json["report"] if each["outcome"] == "added"]
    assert sorted(added) == ids[100:]
    assert len(await stored(api)) == 700


async def test_a_database_that_goes_away_in_the_middle(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """503; what was taken until then stays, is announced, and the same file again takes the rest."""
    content = HEAD + "".join(f"d{number:04},n,,\n" for number in range(1_200))
    take, left = queries.take, [2]

    async def failing(*given: Any, **more: Any) -> Any:
        left[0] -= 1
        if left[0] < 0:
            raise ConnectionResetError
        return await take(*given, **more)

    monkeypatch.setattr(queries, "take", failing)
    away = await send(api, content)
    assert (away.status, away.json["code"]) == (503, "database_unavailable")
    assert len(await stored(api)) == 1_000
    monkeypatch.undo()
    again = await send(api, content)
    assert (again.json["unchanged"], again.json["added"]) == (1_000, 200)
