"""The disk: whether there is room, and whether we may write."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

from telemetrio.doctor.finding import Finding

Look = Callable[[Path], os.statvfs_result]


def check_disk(data_dir: Path, min_free_mib: int, look: Look = os.statvfs) -> Sequence[Finding]:
    """Of the data directory; before there is one, of where it will be."""
    try:
        place = next(path for path in (data_dir.absolute(), *data_dir.absolute().parents) if path.exists())
        seen = look(place)
    except OSError as error:
        means = "whether there is room is not known"
        mend = "run the doctor as the user of the services; if it is said to that user, too, look at the disk (dmesg)"
        return [Finding("disk", f"{data_dir} can't be looked at: {error}", means, mend)]
    free_mib = seen.f_bavail * seen.f_frsize >> 20
    means = "devices are not acknowledged until that is mended, so that they keep what they have to say"
    found = []
    if free_mib < min_free_mib:
        fact = f"{free_mib} MiB are free at {place}, {min_free_mib} MiB must be (TELEMETRIO_MIN_FREE_DISK_MIB)"
        mend = (
            f"make room (du -xh --max-depth=2 {place} | sort -h | tail), or move TELEMETRIO_DATA_DIR to a larger disk"
        )
        found.append(Finding("disk", fact, means, mend))
    if seen.f_flag & os.ST_RDONLY or not os.access(place, os.W_OK):
        mend = f"mount it writable, or: chown -R $(id -un) {place}"
        found.append(Finding("disk", f"This user may not write to {place}", means, mend))
    return found
