"""Cells as people and spreadsheets write them."""

import pytest

from services.api.transfer.cells import cell_of, json_of
from services.api.transfer.rows import CsvReader, Unreadable


@pytest.mark.parametrize(
    ("cell", "meant"),
    [
        ("", None),
        ("23.5", b"23.5"),
        (" 23.5 ", b"23.5"),
        ("-1e3", b"-1e3"),
        ("+5", b"5.0"),
        (".5", b"0.5"),
        ("5.", b"5.0"),
        ("007", b"7.0"),
        ("9007199254740993", b"9007199254740993"),
        ("NaN", b"NaN"),
        ("-inf", b"-Infinity"),
        ("+1e999", b"Infinity"),
        ("TRUE", b"true"),
        ("false", b"false"),
        ("'true", b'"true"'),
        ("''", b'"\'"'),
        ("'", b'""'),
        ("eco", b'"eco"'),
        (" eco ", b'" eco "'),
        ("1,5", b'"1,5"'),
        ("\u0661", '"\u0661"'.encode()),
    ],
)
def test_a_cell_is_what_it_looks_like(cell: str, meant: bytes | None) -> None:
    """A number, a boolean, text; an apostrophe says that it is text."""
    assert json_of(cell) == meant


def test_numbers_are_never_taken_for_formulas() -> None:
    """A minus in front of one is harmless."""
    assert cell_of(-1.5) == -1.5
    assert cell_of("-1.5") == "'-1.5"


def test_the_second_measurement_is_a_metric() -> None:
    """A metric may have the name of a column."""
    reader = CsvReader()
    assert reader.read(b"time,device_id,measurement,measurement") is None
    row = reader.read(b"1767268800,d1,sensor_data,2")
    assert row is not None
    assert (row.measurement, row.payload) == ("sensor_data", b'{"time":1767268800,"values":{"measurement":2}}')


@pytest.mark.parametrize(("end", "begins"), [("x", b'"111'), ("e", b'"111'), ("", b"1111"), (".", b"Infi")])
def test_a_long_row_of_digits_is_read_once(end: str, begins: bytes) -> None:
    """Tried in every combination it would keep the whole process busy for minutes."""
    assert (json_of("1" * 130_000 + end) or b"")[:4] == begins


@pytest.mark.parametrize("cell", ['{""a"":' + "[" * 900 + "]" * 900 + "}", "[" * 2_000, "[]", '{""a"":NaN}', "x"])
def test_a_rest_that_can_not_be_read_costs_its_own_row(cell: str) -> None:
    """However deep it is nested: the rows behind it are read."""
    reader = CsvReader()
    assert reader.read(b"time,device_id,values") is None
    with pytest.raises(Unreadable):
        reader.read(f'1767268800,d1,"{cell}"'.encode())
    assert reader.read(b'1767268800,d1,"{""a"":1}"') is not None
