"""What operators read about faults is what the tests play."""

from tests.faults.table import PAGE, written


def test_the_table_of_faults_is_fresh() -> None:
    """Whoever writes a test of a fault, or changes its words, runs `python -m tests.faults.table`."""
    page = PAGE.read_text()
    assert written(page) == page, "run `python -m tests.faults.table`, and commit what it wrote"
