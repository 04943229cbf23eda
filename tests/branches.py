"""`scripts/test coverage [pytest's]`: which branches of shared, ingest and realtime the tests take, in every process.

What `pytest's` choose is run, the default suite without them; processes that tests start count, unless they are killed.
"""

import io
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from coverage import Coverage

PACKAGES: Final = ("shared", "services/ingest", "services/realtime")
LEAST: Final = 95.0


def main(words: Sequence[str]) -> int:
    """Run them, print the table; the exit code is the tests', or 1 where a package has less than `LEAST` percent."""
    with tempfile.TemporaryDirectory(prefix="coverage-") as folder:
        file = str(Path(folder, "of"))
        command = [sys.executable, "-m", "coverage", "run", "-m", "pytest", *words]
        failed = subprocess.run(command, env={**os.environ, "COVERAGE_FILE": file}, check=False).returncode
        measured = Coverage(data_file=file)
        measured.combine([folder])
        enough = _told(measured)  # also where a test failed: it was minutes
        return failed or int(not enough)


def _told(measured: Coverage) -> bool:
    """What is missing, file by file, then a line for each package; whether that is enough."""
    measured.report(include=_within(*PACKAGES), show_missing=True, skip_covered=True, file=sys.stdout)
    covered = {package: measured.report(include=_within(package), file=io.StringIO()) for package in PACKAGES}
    for package, percent in covered.items():
        sys.stdout.write(f"{package}: {percent:.1f} %{'' if percent >= LEAST else f', less than {LEAST:g} %'}\n")
    return min(covered.values()) >= LEAST


def _within(*packages: str) -> list[str]:
    return [f"{package}/*" for package in packages]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
