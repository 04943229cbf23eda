"""In which fields a store keeps a metric, and which metric is in a field. Pure."""

from collections.abc import Iterable
from typing import Final

from shared.identifiers import RESERVED_METRICS, RESERVED_SUFFIXES
from shared.timeseries.lineprotocol import BOOLEAN_SUFFIX, STRING_SUFFIX, field_names
from shared.timeseries.store import Kind

# in the order of field_names
KINDS: Final[tuple[Kind, ...]] = ("number", "string", "boolean")


def fields_of(metrics: Iterable[str]) -> dict[str, tuple[str, Kind]]:
    """Each field with its metric and kind. A name that no metric of ours can have has none."""
    possible = [name for name in metrics if name not in RESERVED_METRICS and not name.endswith(RESERVED_SUFFIXES)]
    return {
        field: (metric, kind) for metric in possible for field, kind in zip(field_names(metric), KINDS, strict=True)
    }


def metric_of(field: str) -> tuple[str, bool]:
    """The metric that is kept in a field, and whether as a boolean."""
    return field.removesuffix(STRING_SUFFIX).removesuffix(BOOLEAN_SUFFIX), field.endswith(BOOLEAN_SUFFIX)
