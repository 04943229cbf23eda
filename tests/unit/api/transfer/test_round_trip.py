"""What is written as a table and read again is the same, whatever the readings hold."""

import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.api.moments import teller
from services.api.transfer.judging import Judge, Target
from services.api.transfer.records import Records
from services.api.transfer.rows import CsvReader, NdjsonReader, Reader
from services.api.transfer.tables import LongTable, NdjsonTable, Table, WideTable
from shared.readings import Reading, Value
from shared.times import EARLIEST_NS

NOW_NS = 1_767_268_800_000_000_000
TARGET = Target("d1", 7, "open", disabled=False, measurements=frozenset({"sensor_data"}))

# what spreadsheets, CSV and our own convention could take for something else
CONFUSED = """' '' =1+1 +5 - @x = true FALSE 1.5 .5 1e5 007 NaN -inf null 1_000 +.5 1. 0x1 \u0661 # {} é 😀 \ufeff "
"" a"b a,b a;b"""
TRICKY = [*CONFUSED.split(), "", " true ", " 1.5", "nan ", "a\nb", "a\r", "\t", "\r", "\n", "\r\n"]
texts = st.sampled_from(TRICKY) | st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=20)
numbers = (
    st.floats(allow_nan=False, allow_infinity=False, width=64)
    | st.integers(-(2**53), 2**53).map(float)
    | st.sampled_from([0.0, 2.0**53, -(2.0**53), 5e-324, 1.7976931348623157e308, 1e22, 0.1])
)
names = st.sampled_from(["a", "b.c", "d-e", "F_1", "measurement", "value", "rest", "x" * 64])
values = st.dictionaries(names, numbers | texts | st.booleans(), min_size=1, max_size=4)
readings = st.lists(
    st.builds(
        Reading,
        st.just("d1"),
        st.just(7),
        st.sampled_from(["telemetry", "sensor_data"]),
        st.integers(EARLIEST_NS, NOW_NS),
        values,
    ),
    max_size=4,
)


def read(data: bytes, reader: Reader, *, block: int) -> list[Reading]:
    """As an import does it, in blocks of any size."""
    quoted = isinstance(reader, CsvReader)
    records = Records(quoted=quoted)
    judge = Judge([], time.time_ns(), 0)
    judge.devices["d1"] = TARGET
    found = [each for begin in range(0, len(data), block) for each in records.feed(data[begin : begin + block])]
    taken = []
    for number, record in enumerate([*found, *records.end()]):
        assert record is not None
        row = reader.read(record)
        if row is not None:
            judgement = judge.judge(number, row)
            assert judgement.problem is None, judgement
            assert judgement.reading is not None
            taken.append(judgement.reading)
    return taken


def written(table: Table, given_readings: Sequence[Reading]) -> bytes:
    middle = len(given_readings) // 2
    blocks = [table.begin(), table.block(given_readings[:middle]), table.block(given_readings[middle:]), table.end()]
    return b"".join(blocks)


def exactly(found: dict[str, Value]) -> dict[str, tuple[type, str]]:
    """Types too, and the sign of a zero."""
    return {name: (type(value), repr(value)) for name, value in found.items()}


def same(found: Sequence[Reading], expected: Sequence[Reading]) -> None:
    assert [each[:4] for each in found] == [each[:4] for each in expected]
    assert [exactly(each.values) for each in found] == [exactly(each.values) for each in expected]


@settings(deadline=None, max_examples=60)
@given(readings, st.integers(1, 50), st.sampled_from([None, "ns"]))
def test_ndjson_there_and_back(given_readings: list[Reading], block: int, epoch: str | None) -> None:
    """Every value, with its type, and every nanosecond."""
    table = NdjsonTable(teller("ns" if epoch else None))
    same(read(written(table, given_readings), NdjsonReader(), block=block), given_readings)


@settings(deadline=None, max_examples=60)
@given(readings, st.integers(1, 50), st.sampled_from([None, "ns"]), st.integers(0, 5))
def test_wide_csv_there_and_back(given_readings: list[Reading], block: int, epoch: str | None, columns: int) -> None:
    """Whether a metric has a column of its own or not."""
    names = sorted({name for reading in given_readings for name in reading.values})[:columns]
    table = WideTable(teller("ns" if epoch else None), names, rest=True)
    same(read(written(table, given_readings), CsvReader(), block=block), given_readings)


@settings(deadline=None, max_examples=60)
@given(readings, st.integers(1, 50))
def test_long_csv_there_and_back(given_readings: list[Reading], block: int) -> None:
    """A row for each metric."""
    expected = [
        reading._replace(values={name: reading.values[name]})
        for reading in given_readings
        for name in sorted(reading.values)
    ]
    same(read(written(LongTable(teller(None)), given_readings), CsvReader(), block=block), expected)


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A0", "+1", "-1+1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"])
def test_no_cell_is_a_formula(text: str) -> None:
    """A spreadsheet that opens an export runs nothing of what a device sent."""
    reading = Reading("d1", 7, "telemetry", NOW_NS, {"note": text, "t": -1.5})
    for table in (WideTable(teller(None), ["note", "t"], rest=False), LongTable(teller(None))):
        block = table.block([reading]).decode()
        assert f"'{text}" in block
        assert ",-1.5" in block  # a number is none
