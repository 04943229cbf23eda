"""Readings as Parquet, by pyarrow, which most systems don't need: `pip install telemetrio[parquet]`.

Long, and with a column for each type: a metric that is a number here and text there has no column of one type.
"""

import io
from collections.abc import Sequence
from importlib.util import find_spec
from typing import Any, Final

from services.api.errors import ApiError
from shared.readings import Reading

_ROWS: Final = 50_000  # of a row group: what is held in memory, and what is compressed as one


class NotInstalled(ApiError):
    status = 501


class ParquetTable:
    """A `tables.Table`. Raises NotInstalled."""

    content_type = "application/vnd.apache.parquet"
    suffix = "parquet"

    def __init__(self) -> None:
        if find_spec("pyarrow") is None:
            raise NotInstalled(
                "This server can't write Parquet: install telemetrio[parquet], or ask for csv or ndjson",
                "parquet_not_installed",
                field="format",
            )
        import pyarrow as pa  # noqa: PLC0415 - 40 MB that are loaded only where somebody wants them
        import pyarrow.parquet as pq  # noqa: PLC0415

        word = pa.dictionary(pa.int32(), pa.string())
        self._pa: Any = pa
        self._schema = pa.schema(
            [
                pa.field("time", pa.timestamp("ns", "UTC"), nullable=False),
                pa.field("device_id", word, nullable=False),
                pa.field("measurement", word, nullable=False),
                pa.field("metric", word, nullable=False),
                pa.field("number", pa.float64()),
                pa.field("text", pa.string()),
                pa.field("boolean", pa.bool_()),
            ]
        )
        self._sink = _Sink()
        self._writer = pq.ParquetWriter(self._sink, self._schema)
        self._waiting: list[tuple[Any, ...]] = []

    def begin(self) -> bytes:
        return self._sink.taken()

    def block(self, readings: Sequence[Reading]) -> bytes:
        self._waiting += [
            (ts_ns, device_id, measurement, name, *_typed(values[name]))
            for device_id, _, measurement, ts_ns, values in readings
            for name in sorted(values)
        ]
        if len(self._waiting) >= _ROWS:
            self._write()
        return self._sink.taken()

    def end(self) -> bytes:
        if self._waiting:
            self._write()
        self._writer.close()
        return self._sink.taken()

    def broken(self, why: str) -> bytes:  # noqa: ARG002 - a file without its footer can't be read at all
        return b""

    def _write(self) -> None:
        columns = zip(*self._waiting, strict=True)
        arrays = [self._pa.array(column, type=field.type) for column, field in zip(columns, self._schema, strict=True)]
        self._writer.write_table(self._pa.Table.from_arrays(arrays, schema=self._schema))
        self._waiting.clear()


def _typed(value: object) -> tuple[object, object, object]:
    if isinstance(value, bool):
        return None, None, value
    return (value, None, None) if isinstance(value, float) else (None, value, None)


class _Sink(io.RawIOBase):
    """A file that is only ever written to; what was written is taken away."""

    def __init__(self) -> None:
        self._written = bytearray()
        self._length = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._written += data
        self._length += len(data)
        return len(data)

    def tell(self) -> int:
        return self._length

    def taken(self) -> bytes:
        written = bytes(self._written)
        self._written.clear()
        return written
