"""The CSV file itself, both ways. What a spreadsheet would take for a formula is written with a quote before it."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from pydantic import BaseModel, Field, ValidationError

from services.api.errors import BadRequest, invalid
from services.api.inputs import Text
from services.api.transfer.cells import FORMULA
from shared.identifiers import ProfileName, is_device_id

COLUMNS: Final = ("device_id", "name", "profile", "disabled")
REQUIRED: Final = ("device_id", "name")
CHUNK: Final = 500
MAX_ROWS: Final = 100_000

_SHOWN: Final = 128


class Row(NamedTuple):
    """A row that can be taken; None is what the file leaves as it is."""

    number: int
    device_id: str
    name: str
    profile: str | None
    disabled: bool | None


class Refused(NamedTuple):
    number: int
    device_id: str
    code: str
    message: str


class _Cells(BaseModel):
    name: Text = Field(min_length=1, max_length=255)
    profile: ProfileName | None = None
    disabled: bool | None = None


def check(raw: bytes) -> None:
    """Read it to its end, so that a file that is none is refused before anything is done. Raises BadRequest."""
    number = 1
    try:
        records = _records(raw)
        _columns(next(records, []))
        for number, _ in enumerate(records, 2):
            if number > MAX_ROWS + 1:
                raise BadRequest(f"{MAX_ROWS} rows at most: split the file", "too_many_rows")
    except UnicodeDecodeError as error:
        raise BadRequest(f"Row {number + 1} or later is not UTF-8: save the file as UTF-8", "not_utf8") from error
    except csv.Error as error:
        raise BadRequest(f"After row {number}: not valid CSV: {error}", "bad_csv") from error


def chunks(raw: bytes) -> Iterator[list[Row | Refused]]:
    """The rows below the header of a file that was checked, some at a time; empty ones are passed over."""
    records = _records(raw)
    columns = _columns(next(records, []))
    seen: dict[str, int] = {}
    chunk: list[Row | Refused] = []
    for number, cells in enumerate(records, 2):
        if not any(cells):
            continue
        chunk.append(_row(number, cells, columns, seen))
        if len(chunk) == CHUNK:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def write(rows: Iterable[Sequence[str]]) -> str:
    """Lines of such a file."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows([[_quoted(cell) for cell in row] for row in rows])
    return text.getvalue()


def _records(raw: bytes) -> Iterator[list[str]]:
    # spreadsheets begin UTF-8 with a byte order mark
    return csv.reader(io.TextIOWrapper(io.BytesIO(raw), "utf-8-sig", newline=""), strict=True)


def _columns(header: Sequence[str]) -> Sequence[str]:
    columns = [cell.strip() for cell in header]
    mend = f"the first row names the columns: {','.join(COLUMNS)}"
    if len(columns) == 1 and ";" in columns[0]:
        raise BadRequest("The columns are separated by semicolons: separate them by commas", "bad_header")
    for name in columns:
        if name not in COLUMNS or columns.count(name) > 1:
            raise BadRequest(
                f"{name[:_SHOWN]!r} is no column here, or there twice: {mend}", "bad_header", field="header"
            )
    for name in REQUIRED:
        if name not in columns:
            raise BadRequest(f"There is no column {name}: {mend}", "bad_header", field="header")
    return columns


def _row(number: int, cells: Sequence[str], columns: Sequence[str], seen: dict[str, int]) -> Row | Refused:
    given = {name: cell if name == "name" else cell.strip() for name, cell in zip(columns, cells, strict=False)}
    device_id = given.get("device_id", "")[:_SHOWN]
    if len(cells) != len(columns):
        message = f"{len(cells)} cells where the header has {len(columns)}"
        return Refused(number, device_id, "wrong_number_of_cells", message)
    if not is_device_id(given["device_id"]):
        message = "Device id: 1 to 128 letters, digits and . _ : - only, the first one a letter or a digit"
        return Refused(number, device_id, "bad_device_id", message)
    first = seen.setdefault(device_id, number)
    if first != number:
        return Refused(number, device_id, "duplicate", f"Row {first} has this device_id already")
    return _checked(number, device_id, given)


def _checked(number: int, device_id: str, given: Mapping[str, str]) -> Row | Refused:
    try:
        # an empty cell says nothing, but a name can't be nothing
        said = {name: cell for name, cell in given.items() if cell}
        cells = _Cells.model_validate({**said, "name": _plain(given["name"])})
    except ValidationError as error:
        detail = invalid(error).details[0]
        return Refused(number, device_id, detail.code, detail.message)
    return Row(number, device_id, cells.name, cells.profile, cells.disabled)


def _quoted(cell: str) -> str:
    return f"'{cell}" if cell[:1] in FORMULA else cell


def _plain(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell[1:2] in FORMULA else cell
