"""Names that cross boundaries, as constrained types: who a device, a user and a metric may be called."""

import re
from typing import Annotated, Final

from pydantic import Field, StringConstraints

DEVICE_ID_PATTERN: Final = r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}\Z"
METRIC_PATTERN: Final = r"^[A-Za-z][A-Za-z0-9_.-]{0,63}\Z"
MAX_METRIC_NAME: Final = 64

# pydantic's own engine has no \Z and needs none: its $ never matches before a final newline
DeviceId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")]
MetricName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$")]
ProfileName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
UserId = Annotated[int, Field(ge=1, lt=2**63)]

is_device_id = re.compile(DEVICE_ID_PATTERN).match
is_metric_name = re.compile(METRIC_PATTERN).match

# Names a payload may not use for a metric: columns of the store, and the keys that carry a sample's time and values.
RESERVED_METRICS: Final = frozenset({"time", "device_id", "user_id", "ts", "timestamp", "values"})
# A string is stored in field `name__s`, a boolean in `name__b`, so that two devices can't poison each other's type.
RESERVED_SUFFIXES: Final = ("__s", "__b")
# The store's own measurements: no profile may write to them, and no query for readings shows them.
OWN_MEASUREMENTS: Final = frozenset({"telemetrio_late", "telemetrio_probe"})
