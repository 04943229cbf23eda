"""POST /api/v1/readings/import on the real routes: what is taken, what is refused and why, and how far it came."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from services.api import auth
from services.api.auth import Caller
from services.api.errors import Away
from services.api.transfer import imports, queries, routes
from services.api.transfer.schemas import ImportReport
from shared.commands import MAX_IMPORT_BYTES, MAX_IMPORTED, Import
from shared.database.tables import device_measurements, ingest_books, profiles
from shared.readings import Reading
from tests.integration.api_rig import NOON_NS, Answer, Api, opened

PATH = "/api/v1/readings/import"
NOON = "2026-01-01T12:00:00Z"


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[Api]:
    async with opened(tmp_path) as given:
        await given.add_devices("d1", "d2")
        await given.add_devices("k1", profile="knee")
        await given.add_devices("off", disabled=True)
        await given.fill(
            ingest_books,
            {"source": "old", "epoch": "e", "updated_ns": 1},
            {"source": "ingest-1", "epoch": "e", "updated_ns": 2},
        )
        yield given


async def send(api: Api, data: str | bytes, kind: str = "text/csv", asked: str = "") -> Answer:
    content = data.encode() if isinstance(data, str) else data
    return await api.ask("POST", f"{PATH}{asked}", data=content, headers={"Content-Type": kind})


async def send_lines(api: Api, *rows: Any, asked: str = "") -> Answer:
    content = b"\n".join(row if isinstance(row, bytes) else orjson.dumps(row) for row in rows)
    return await send(api, content, "application/x-ndjson", asked)


def imported(api: Api) -> list[Reading]:
    """What was handed to ingest, in order."""
    commands = [command for _, command in api.commander.commands if isinstance(command, Import)]
    assert len(commands) == len(api.commander.commands)
    return [reading for command in commands for reading in command.readings]


def problems(answer: Answer) -> list[tuple[int, str, str]]:
    assert answer.status == 200, answer.json
    ImportReport.model_validate(answer.json, extra="forbid")
    return [(found["row"], found["outcome"], found["code"]) for found in answer.json["problems"]]


async def test_a_csv_becomes_readings_of_the_worker_that_was_heard_last(api: Api) -> None:
    """Numbers, text and booleans by their looks; an empty cell is absent; the owner is the device's."""
    answer = await send(
        api,
        f"time,device_id,temperature,mode,door\r\n{NOON},d1,23.5,eco,true\r\n1767268801,d2,,'12,FALSE\r\n",
    )
    assert problems(answer) == []
    assert (answer.json["rows"], answer.json["accepted"], answer.json["taken"]) == (2, 2, 2)
    assert imported(api) == [
        Reading("d1", 1, "sensor_data", NOON_NS, {"temperature": 23.5, "mode": "eco", "door": True}),
        Reading("d2", 1, "sensor_data", NOON_NS + 10**9, {"mode": "12", "door": False}),
    ]
    assert [source for source, _ in api.commander.commands] == ["ingest-1"]


async def test_ndjson_is_taken_as_the_api_shows_it_and_as_devices_send_it(api: Api) -> None:
    """Both forms, in one file, and blank lines between."""
    answer = await send_lines(
        api,
        {"device_id": "d1", "timestamp": NOON, "measurement": "sensor_data", "values": {"temperature": 1}},
        b"",
        {"device_id": "d1", "ts": 1767268801000, "temperature": 2.5, "measurement": "sensor_data"},
    )
    assert problems(answer) == []
    assert [(each.ts_ns - NOON_NS, each.values) for each in imported(api)] == [
        (0, {"temperature": 1.0}),
        (10**9, {"temperature": 2.5}),
    ]


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (b"{", "not_json"),
        (b"[1]", "not_json"),
        (b'"d1"', "not_json"),
        (b"\xff", "not_utf8"),
        (b'{"device_id":"d1","ts":1767268800,"t":[[[[[[[[[1]]]]]]]]]}', "too_deep"),
        ({"timestamp": NOON, "values": {"t": 1}}, "bad_device_id"),
        ({"device_id": "a\x00b", "timestamp": NOON, "values": {"t": 1}}, "bad_device_id"),
        ({"device_id": "a b", "timestamp": NOON, "values": {"t": 1}}, "bad_device_id"),
        ({"device_id": "nobody", "timestamp": NOON, "values": {"t": 1}}, "unknown_device"),
        ({"device_id": "off", "timestamp": NOON, "values": {"t": 1}}, "device_disabled"),
        ({"device_id": "d1", "values": {"t": 1}}, "bad_timestamp"),
        ({"device_id": "d1", "timestamp": "yesterday", "values": {"t": 1}}, "bad_timestamp"),
        ({"device_id": "d1", "timestamp": "2999-01-01T00:00:00Z", "values": {"t": 1}}, "bad_timestamp"),
        ({"device_id": "d1", "timestamp": int(time.time()) + 86_400, "values": {"t": 1}}, "timestamp_out_of_window"),
        ({"device_id": "d1", "timestamp": NOON, "values": {}}, "empty"),
        ({"device_id": "d1", "timestamp": NOON, "values": {"t": [1]}}, "nested"),
        (b'{"device_id":"d1","timestamp":1767268800,"t":NaN}', "not_finite"),
        (b'{"device_id":"d1","timestamp":1767268800,"t":9007199254740993}', "number_too_large"),
        ({"device_id": "d1", "timestamp": NOON, "values": {"user_id": 2}}, "bad_metric_name"),
        ({"device_id": "d1", "timestamp": NOON, "values": {"t": "x" * 2000}}, "string_too_long"),
        ({"device_id": "d1", "timestamp": NOON, "values": {f"m{n}": 1 for n in range(101)}}, "too_many_metrics"),
        ({"device_id": "d1", "timestamp": NOON, "values": {"t": "x" * 70_000}}, "too_large"),
        (b'{"device_id":"d1","t":"' + b"x" * 500_000 + b'"}', "too_large"),
        ({"device_id": "k1", "timestamp": NOON, "values": {"w": 1}}, "unknown_metric"),
        ({"device_id": "d1", "timestamp": NOON, "measurement": "mine", "values": {"t": 1}}, "unknown_measurement"),
        (
            {"device_id": "d1", "timestamp": NOON, "measurement": "telemetrio_late", "values": {"n": 1}},
            "unknown_measurement",
        ),
    ],
)
async def test_a_row_is_refused_alone_and_says_why(api: Api, row: Any, code: str) -> None:
    """Its neighbours are taken."""
    good = {"device_id": "d1", "timestamp": NOON, "values": {"t": 1}}
    answer = await send_lines(api, good, row, good)
    assert problems(answer) == [(2, "refused", code)]
    assert answer.json["problems"][0]["message"]
    assert (answer.json["rows"], answer.json["accepted"], answer.json["refused"]) == (3, 2, 1)
    assert len(imported(api)) == 2


async def test_a_metric_is_refused_alone(api: Api) -> None:
    """The others of its row are taken, and the row is told as `partly`."""
    answer = await send(api, f"time,device_id,x,w\n{NOON},k1,1,2\n{NOON},k1,nan,\n")
    assert problems(answer) == [(1, "partly", "unknown_metric"), (2, "refused", "not_finite")]
    assert (answer.json["partly"], answer.json["accepted"]) == (1, 1)
    assert [each.values for each in imported(api)] == [{"x": 1.0}]


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ("1,2,3,4\n", [(1, "refused", "bad_csv")]),
        (f'{NOON},d1,"a\n{NOON},d1,1\n', [(1, "refused", "bad_csv")]),
        (f'{NOON},d1,"a"b\n{NOON},d1,1\n', [(1, "refused", "bad_csv")]),
        (f'{NOON},d1,"a\nb"\n\n \n,d1,1\n', [(2, "refused", "bad_timestamp")]),
        ("# incomplete: the store is away\n", [(1, "refused", "bad_csv")]),
        (f'{NOON},d1,"{"x" * 200_000}"\n{NOON},d1,1\n', [(1, "refused", "too_large")]),
    ],
)
async def test_a_row_of_csv_that_is_none_is_told(api: Api, rows: str, found: list[tuple[int, str, str]]) -> None:
    """By its number: the header and blank lines don't count, and a line break within quotes ends no row."""
    assert problems(await send(api, f"time,device_id,t\n{rows}")) == found


@pytest.mark.parametrize(
    "header",
    [
        "",
        "time,t\n",
        "device_id,t\n",
        "time,device_id\n",
        "time,device_id,t,t\n",
        "time;device_id;t\n",
        "\xff\n",
        '"\n',
    ],
)
async def test_a_file_without_a_header_is_refused_as_a_whole(api: Api, header: str) -> None:
    """400, with what the first row must be; an empty file is empty."""
    answer = await send(api, header.encode("latin1") + b"1767268800,d1,1\n" * (header != ""))
    if header:
        assert (answer.status, answer.json["code"]) == (400, "bad_header")
    else:
        assert answer.json["rows"] == 0
    assert api.commander.commands == []


async def test_a_measurement_must_be_one_that_there_is(api: Api) -> None:
    """That of the device, of a profile, or one that the device's owner has used: judged by whose it is."""
    await api.fill(profiles, {"name": "pump", "document": {"measurement": "pumps"}, "updated_ns": 1})
    await api.fill(
        device_measurements,
        {"device_id": "d1", "measurement": "before", "user_id": 1, "since_ns": 1},
        {"device_id": "d2", "measurement": "theirs", "user_id": 9, "since_ns": 1},
    )
    rows = [("d1", "pumps"), ("d1", "before"), ("d2", "before"), ("d2", "theirs"), ("d1", "knee_data")]
    answer = await send(api, "time,device_id,measurement,t\n" + "".join(f"{NOON},{d},{m},1\n" for d, m in rows))
    assert problems(answer) == [
        (3, "refused", "unknown_measurement"),
        (4, "refused", "unknown_measurement"),
        (5, "refused", "unknown_metric"),
    ]
    assert [each.measurement for each in imported(api)] == ["pumps", "before"]


async def test_a_tenant_imports_only_to_their_own(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another's device looks like one that nobody has; an admin imports for its owner."""
    await api.add_user(2)
    await api.add_devices("mine", user_id=2)
    data = f"time,device_id,t\n{NOON},d1,1\n{NOON},nobody,1\n{NOON},mine,1\n"
    assert [problem[0] for problem in problems(await send(api, data))] == [2]
    assert [each.user_id for each in imported(api)] == [1, 2]
    api.commander.commands.clear()
    monkeypatch.setattr(auth, "identify", lambda: Caller(2, "user"))
    answer = await send(api, data)
    assert problems(answer) == [(1, "refused", "unknown_device"), (2, "refused", "unknown_device")]
    assert answer.json["problems"][0]["message"] == "'d1': add the device first"
    assert [each.device_id for each in imported(api)] == ["mine"]


async def test_commands_hold_as_much_as_they_may(api: Api) -> None:
    """Up to 2,000 readings and 256 KiB each, in order, and each with an id of its own."""
    few = [{"device_id": "d1", "timestamp": 1767268800 + n, "t": "x" * 900} for n in range(600)]
    many = [{"device_id": "d2", "timestamp": 1767268800 + n, "t": n} for n in range(MAX_IMPORTED + 1)]
    answer = await send_lines(api, *few, *many)
    assert (answer.json["accepted"], answer.json["taken"]) == (2601, 2601)
    commands = [command for _, command in api.commander.commands if isinstance(command, Import)]
    assert all(len(command.model_dump_json().encode()) <= MAX_IMPORT_BYTES for command in commands)
    assert len({command.command_id for command in commands}) == len(commands) == 4
    assert [each.ts_ns for each in imported(api)] == [row["timestamp"] * 10**9 for row in [*few, *many]]  # type: ignore[operator] # one type of value each


async def test_with_ingest_away_it_says_how_far_it_came(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with the row to go on from; sent again from there, every row was taken once."""
    monkeypatch.setattr(imports, "MAX_IMPORTED", 4)
    rows = [{"device_id": "d1", "timestamp": 1767268800 + n, "t": n} for n in range(10)]
    rows[2] = {"device_id": "nobody"}
    command = api.commander.command

    async def twice(source: str, given: Any) -> None:
        if len(api.commander.commands) == 2:
            raise Away("Ingest is busy", "ingest_unavailable")
        await command(source, given)

    monkeypatch.setattr(api.commander, "command", twice)
    answer = await send_lines(api, *rows)
    assert (answer.status, answer.json["code"]) == (503, "ingest_unavailable")
    assert answer.json["details"][0]["field"] == "from_row"
    assert answer.json["details"][0]["message"] == "10"
    assert "?from_row=10" in answer.json["message"]
    assert answer.headers["Retry-After"]
    monkeypatch.setattr(api.commander, "command", command)
    again = await send_lines(api, *rows, asked="?from_row=10")
    assert (again.json["rows"], again.json["accepted"], again.json["taken"]) == (10, 1, 10)
    assert [each.values["t"] for each in imported(api)] == [0, 1, 3, 4, 5, 6, 7, 8, 9]


async def test_a_worker_that_begins_is_waited_for(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """A moment, then 503: none has been heard of."""
    monkeypatch.setattr(routes, "_LOOK_EVERY_S", 0.01)
    async with api.engine.begin() as connection:
        await connection.execute(ingest_books.delete())
    answer = await send(api, "time,device_id,t\n")
    assert (answer.status, answer.json["code"]) == (503, "ingest_unavailable")
    newest_source, asked = queries.newest_source, 0

    async def later(engine: AsyncEngine) -> str | None:
        nonlocal asked
        asked += 1
        return "ingest-1" if asked > 3 else await newest_source(engine)

    monkeypatch.setattr(queries, "newest_source", later)
    assert (await send(api, "time,device_id,t\n")).status == 200


async def test_a_block_may_be_full_of_devices(api: Api) -> None:
    """More than a database takes as parameters of one question."""
    rows = "".join(f"{NOON},n{number},1\n" for number in range(34_000))
    answer = await send(api, "time,device_id,t\n" + rows)
    assert answer.json["codes"] == {"unknown_device": 34_000}


async def test_problems_are_counted_beyond_those_that_are_told(api: Api) -> None:
    """The first thousand, and how many of each kind there were."""
    answer = await send(api, "time,device_id,t\n" + f"{NOON},nobody,1\n" * 1_500)
    assert len(problems(answer)) == 1_000
    assert answer.json["codes"] == {"unknown_device": 1_500}
    assert (answer.json["refused"], answer.json["problems_left_out"]) == (1_500, 500)


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Content-Type": "application/json"}, "not_a_table"),
        ({}, "not_a_table"),
        ({"Content-Type": "text/csv", "Content-Encoding": "gzip"}, "encoding_not_supported"),
    ],
)
async def test_what_is_no_table_is_refused(api: Api, headers: dict[str, str], code: str) -> None:
    """415, with what to send."""
    answer = await api.ask("POST", PATH, data=b"{}", headers=headers)
    assert (answer.status, answer.json["code"]) == (415, code)


async def test_a_file_may_be_larger_than_other_bodies(api: Api) -> None:
    """More than a megabyte, where a JSON body may have one."""
    rows = f"{NOON},d1,1\n" * 41_000
    assert len(rows) > 1024 * 1024
    answer = await send(api, "time,device_id,t\n" + rows)
    assert answer.json["accepted"] == 41_000
    refused = await api.ask("POST", "/api/v1/items", data=rows, headers={"Content-Type": "application/json"})
    assert refused.status == 413


async def test_both_ways_are_described(api: Api) -> None:
    """In /openapi.json: what may be sent and what comes, by content type, with examples."""
    paths = (await api.get("/openapi.json")).json["paths"]
    sent = paths[PATH]["post"]["requestBody"]["content"]
    assert set(sent) == {"text/csv", "application/x-ndjson"}
    assert await _accepted(api, sent) == [1, 1]
    come = paths["/api/v1/readings/export"]["get"]["responses"]["200"]["content"]
    assert set(come) == {"text/csv", "application/x-ndjson", "application/vnd.apache.parquet"}


async def _accepted(api: Api, content: dict[str, Any]) -> list[int]:
    """Of each example, sent as it stands there."""
    return [(await send(api, one["example"], kind)).json["accepted"] for kind, one in sorted(content.items())]
