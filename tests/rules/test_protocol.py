"""The examples in docs/protocol.md are the golden messages that the tests use.

An example is a fenced block ```` ```json title=NAME.json ````; its golden file is tests/payloads/NAME.json.
"""

import json
import re
from pathlib import Path
from typing import Final

from tests.rules.tree import ROOT

PAYLOADS: Final = ROOT / "tests" / "payloads"
EXAMPLE: Final = re.compile(r"^```json([^\n]*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
TITLE: Final = re.compile(r"\btitle=([A-Za-z0-9_.-]+\.json)\b")


def differing(page: str, payloads: Path) -> list[str]:
    """Every example that has no title, no golden file, or another content."""
    wrong = []
    for info, body in EXAMPLE.findall(page):
        title = TITLE.search(info)
        if title is None:
            wrong.append(f"no title=NAME.json: {body[:60]!r}")
        elif not (golden := payloads / title[1]).exists():
            wrong.append(f"{title[1]}: no such golden file")
        elif json.loads(body) != json.loads(golden.read_text()):
            wrong.append(f"{title[1]}: differs from the golden file")
    return wrong


def test_every_example_is_a_golden_file() -> None:
    """Whoever copies a message from docs/protocol.md copies one that a test has sent."""
    pages = (ROOT / "docs").glob("protocol*.md")
    assert [line for page in pages for line in differing(page.read_text(), PAYLOADS)] == []


def test_the_rule_sees_an_example_that_differs(tmp_path: Path) -> None:
    """An example without a title, without its file or with another value is named; spacing is free."""
    (tmp_path / "good.json").write_text('{"temperature": 23.5}')
    block = "```json{}\n{}\n```\n"
    same = block.format(" title=good.json", '{ "temperature":23.50 }')
    other = block.format(" title=good.json", '{"temperature": 23.6}')
    missing = block.format(" title=missing.json", "{}")
    untitled = block.format("", "{}")
    assert differing(same, tmp_path) == []
    assert len(differing(same + other + missing + untitled, tmp_path)) == 3
