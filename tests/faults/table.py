"""The table of docs/operations.md that tells which faults are played: one row a test, in its own words.

`python -m tests.faults.table` writes it anew; tests/rules/test_faults.py fails where it is of yesterday.
"""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = ROOT / "docs" / "operations.md"
_BEGIN: Final = "<!-- faults: begin -->\n"
_END: Final = "<!-- faults: end -->"


def table() -> str:
    """The rows, file by file, as markdown."""
    rows = [row for path in sorted(Path(__file__).parent.glob("test_*.py")) for row in _rows(path)]
    return "\n".join(["| what happens | what holds then | test |", "|---|---|---|", *rows, ""])


def written(page: str) -> str:
    """The page with the table of now between its two marks."""
    head, _, rest = page.partition(_BEGIN)
    _, _, tail = rest.partition(_END)
    return head + _BEGIN + table() + _END + tail


def _rows(path: Path) -> Iterator[str]:
    link = f"[{path.stem.removeprefix('test_')}](../{path.relative_to(ROOT)})"
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            what = node.name.removeprefix("test_").replace("_", " ")
            then = " ".join((ast.get_docstring(node) or "").split()).replace("|", "\\|")
            yield f"| {what} | {then} | {link} |"


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
