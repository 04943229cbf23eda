"""GET /api/v1/readings/export on the real store: formats, shapes, ranges, tenants, and what breaks off."""

import csv
import io
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq
import pytest

from services.api import auth
from services.api.auth import Caller
from services.api.transfer import history, parquet
from services.api.transfer.parquet import ParquetTable
from shared.database.tables import device_measurements, latest
from shared.readings import Reading, Values
from shared.timeseries.store import RawPage, RawQuery, Unavailable
from tests.fakes.batches import write
from tests.integration.api_rig import NOON_NS, Answer, Api, opened

SECOND = 1_000_000_000
PATH = "/api/v1/readings/export"


@pytest.fixture
async def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Api]:
    monkeypatch.setattr("services.api.transfer.routes.PAGE", 3)
    async with opened(tmp_path) as given:
        await given.add_devices("d1", "d2")
        await given.add_devices("k1", profile="knee")
        await write(given.store, [reading(number, {"temperature": float(number)}) for number in range(7)])
        await write(given.store, [reading(0, {"temperature": 1.5, "mode": "=1+1", "door": True}, "d2")])
        yield given


def reading(second: int, values: Values, device_id: str = "d1", user_id: int = 1) -> Reading:
    return Reading(device_id, user_id, "sensor_data", NOON_NS + second * SECOND, values)


def table(answer: Answer) -> list[list[str]]:
    assert answer.status == 200, answer.body
    return list(csv.reader(io.StringIO(answer.body.decode(), newline="")))


def lines(answer: Answer) -> list[Any]:
    assert answer.status == 200, answer.body
    return [orjson.loads(line) for line in answer.body.splitlines()]


async def test_ndjson_is_the_api_line_by_line(api: Api) -> None:
    """Device by device, oldest first, across pages, each line as the readings route shows it."""
    found = lines(await api.get(f"{PATH}?devices=d2,d1&format=ndjson"))
    shown = [(await api.get(f"/api/v1/devices/{device}/readings")).json["data"] for device in ("d1", "d2")]
    assert found == [*shown[0], *shown[1]]
    assert len(found) == 8


async def test_a_wide_table_has_a_column_for_each_metric(api: Api) -> None:
    """Of the profiles and the latest values, in order; what has none is in the last column; no cell is a formula."""
    answer = await api.get(f"{PATH}?devices=d2")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"].endswith('Z.csv"')
    assert table(answer) == [
        ["time", "device_id", "measurement", "humidity", "pressure", "temperature", "values"],
        ["2026-01-01T12:00:00.000000000Z", "d2", "sensor_data", "", "", "1.5", '{"door":true,"mode":"=1+1"}'],
    ]
    row = {"device_id": "d2", "user_id": 1, "measurement": "sensor_data", "ts_ns": NOON_NS, "seen_ns": NOON_NS}
    await api.fill(latest, {**row, "values": {"mode": "x", "door": True}})
    header, only = table(await api.get(f"{PATH}?devices=d2&epoch=ms"))
    assert header[3:] == ["door", "humidity", "mode", "pressure", "temperature", "values"]
    assert only == ["1767268800000", "d2", "sensor_data", "true", "", "'=1+1", "", "1.5", ""]


async def test_named_metrics_are_the_columns(api: Api) -> None:
    """In the order in which they were named, and nothing else."""
    found = table(await api.get(f"{PATH}?devices=*&metrics=door,temperature"))
    assert found[0] == ["time", "device_id", "measurement", "door", "temperature"]
    assert found[-1][3:] == ["true", "1.5"]
    assert len(found) == 9


async def test_a_long_table_has_a_row_for_each_metric(api: Api) -> None:
    """In alphabetical order within a reading."""
    found = table(await api.get(f"{PATH}?devices=d2&shape=long"))
    assert found[0] == ["time", "device_id", "measurement", "metric", "value"]
    assert [row[3:] for row in found[1:]] == [["door", "true"], ["mode", "'=1+1"], ["temperature", "1.5"]]


async def test_a_range_takes_its_start_and_leaves_its_end(api: Api) -> None:
    """As everywhere."""
    found = lines(await api.get(f"{PATH}?devices=d1&format=ndjson&start=1767268802&end=2026-01-01T12:00:05Z"))
    assert [line["values"]["temperature"] for line in found] == [2.0, 3.0, 4.0]


async def test_parquet_has_a_column_for_each_type(api: Api) -> None:
    """Read back by the library that everybody uses; times to the nanosecond."""
    answer = await api.get(f"{PATH}?devices=*&format=parquet")
    assert answer.headers["Content-Type"] == "application/vnd.apache.parquet"
    found = pq.read_table(io.BytesIO(answer.body))
    times = found.column("time").cast("int64").to_pylist()
    assert times == [*(NOON_NS + second * SECOND for second in range(7)), *[NOON_NS] * 3]
    rows = found.drop_columns(["time"]).to_pylist()
    last = [(row["metric"], row["number"], row["text"], row["boolean"]) for row in rows[-3:]]
    assert last == [("door", None, None, True), ("mode", None, "=1+1", None), ("temperature", 1.5, None, None)]
    schema = pq.read_schema(io.BytesIO(answer.body))
    assert str(schema.field("time").type) == "timestamp[ns, tz=UTC]"


def test_parquet_is_written_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    """A group of rows at a time, and nothing of it is kept."""
    monkeypatch.setattr(parquet, "_ROWS", 10)
    table = ParquetTable()
    blocks = [table.begin(), *(table.block([reading(number, {"t": 1.0})]) for number in range(25)), table.end()]
    assert [position for position, block in enumerate(blocks) if block] == [0, 10, 20, 26]
    assert pq.ParquetFile(io.BytesIO(b"".join(blocks))).num_row_groups == 3


async def test_a_parquet_of_nothing_is_a_file_all_the_same(api: Api) -> None:
    """Without rows, with its columns."""
    answer = await api.get(f"{PATH}?devices=k1&format=parquet")
    assert pq.read_table(io.BytesIO(answer.body)).num_rows == 0


async def test_without_its_library_parquet_says_what_to_install(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """501, with the mend."""
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    answer = await api.get(f"{PATH}?devices=*&format=parquet")
    assert (answer.status, answer.json["code"]) == (501, "parquet_not_installed")
    assert "telemetrio[parquet]" in answer.json["message"]


async def test_an_empty_export_is_whole(api: Api) -> None:
    """Of devices that said nothing: a header, or nothing at all."""
    assert len(table(await api.get(f"{PATH}?devices=k1"))) == 1
    assert (await api.get(f"{PATH}?devices=k1&format=ndjson")).body == b""


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ("", "devices"),
        ("devices=*&format=xml", "format"),
        ("devices=*&shape=square", "shape"),
        ("devices=*&shape=wide&format=parquet", "shape"),
        ("devices=*&shape=long&format=ndjson", "shape"),
        ("devices=*&epoch=s&format=parquet", "epoch"),
        ("devices=*&start=now&end=-1h", "start"),
        ("devices=*&colour=red", "colour"),
    ],
)
async def test_a_wrong_parameter_is_named(api: Api, asked: str, field: str) -> None:
    """400, with the parameter."""
    refused = await api.get(f"{PATH}?{asked}")
    assert refused.status == 400, refused.body
    assert field in [detail["field"] for detail in refused.json["details"]]


async def test_a_tenant_exports_only_their_own(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """`*` is theirs, another's device is not there, and of a device that changed hands each has their own time."""
    await api.add_user(2)
    await api.add_devices("mine", user_id=2)
    await write(api.store, [reading(1, {"t": 1.0}, "mine", 1), reading(2, {"t": 2.0}, "mine", 2)])
    await write(api.store, [reading(3, {"t": 3.0}, "d1", 2)])
    await api.fill(
        device_measurements,
        *(
            {"device_id": device, "measurement": "sensor_data", "user_id": 2, "since_ns": 1}
            for device in ("mine", "d1")
        ),
    )
    monkeypatch.setattr(auth, "identify", lambda: Caller(2, "user"))
    found = lines(await api.get(f"{PATH}?devices=*&format=ndjson"))
    assert [(line["device_id"], line["values"]["t"]) for line in found] == [("d1", 3.0), ("mine", 2.0)]
    foreign, unknown = await api.get(f"{PATH}?devices=d2,mine"), await api.get(f"{PATH}?devices=d3,mine")
    assert (foreign.status, foreign.json["code"]) == (404, "device_not_found")
    assert foreign.json["message"] == unknown.json["message"]
    wide = table(await api.get(f"{PATH}?devices=*"))
    assert "mode" not in wide[0]


async def test_a_store_that_is_away_is_said_before_the_answer_begins(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """503, and no file."""

    async def away(_query: RawQuery) -> RawPage:
        raise Unavailable("gone")

    monkeypatch.setattr(api.store, "raw", away)
    answer = await api.get(f"{PATH}?devices=*")
    assert (answer.status, answer.json["code"]) == (503, "store_unavailable")
    assert "Content-Disposition" not in answer.headers


async def test_a_head_request_costs_no_reading(api: Api) -> None:
    """The headers of the file, and nothing of it."""
    answer = await api.ask("HEAD", f"{PATH}?devices=*&format=ndjson")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Type"] == "application/x-ndjson"


async def test_pages_are_asked_for_one_at_a_time(api: Api) -> None:
    """The next one only when somebody wants it: that is all the backpressure there is."""
    asked: list[str] = []

    class Counted:
        async def raw(self, query: RawQuery) -> RawPage:
            asked.append(query.device_id)
            return await api.store.raw(query)

    wanted = RawQuery("", None, 0, 2**62, 3)
    source: AsyncIterator[Sequence[Reading]] = history.pages(Counted(), ["d1", "d2"], wanted)  # type: ignore[arg-type] # it is only read
    sizes = []
    async for page in source:
        sizes.append(len(page))
        assert len(asked) == len(sizes)
    assert sizes == [3, 3, 1, 1]
