"""What one write to InfluxDB carries: the lines of its batches, and the index of what was late in them. Pure."""

from collections.abc import Sequence
from typing import NamedTuple

from shared.readings import Reading, ReadingBatch
from shared.timeseries.late import late_ranges
from shared.timeseries.lineprotocol import late_line, lines_of, plain_lines


class Body(NamedTuple):
    """`lines`: one or more in each. `unwritable`: (position over all batches, reason) of readings without a line."""

    lines: list[bytes]
    late: list[bytes]
    unwritable: list[tuple[int, str]]


def body_of(batches: Sequence[ReadingBatch]) -> Body:
    """Batch by batch, in order; what can't be written is not indexed either: its name would break that line, too."""
    body = Body([], [], [])
    before = 0
    for batch in batches:
        written: Sequence[Reading] = batch.readings
        plain = plain_lines(written)
        if plain is not None:  # nearly always
            body.lines.append(plain)
        else:
            lines, unwritable = lines_of(written)
            body.lines.extend(lines.values())
            body.unwritable.extend((before + position, reason) for position, reason in unwritable)
            written = [written[position] for position in lines] if unwritable else written
        body.late.extend(late_line(each, batch.committed_ns) for each in late_ranges(written, batch.committed_ns))
        before += len(batch.readings)
    return body
