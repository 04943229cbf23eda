"""Files and functions that fit into a head."""

import ast
from typing import Final

from tests.rules.tree import PACKAGES, parsed, python_files, shown

MAX_FILE: Final = 250
MAX_FUNCTION: Final = 50


def long_functions(tree: ast.AST) -> list[str]:
    functions = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return [node.name for node in functions if (node.end_lineno or node.lineno) - node.lineno >= MAX_FUNCTION]


def test_no_file_is_too_long() -> None:
    """No file of the product has more than 250 lines."""
    lengths = {shown(path): path.read_text().count("\n") for path in python_files(*PACKAGES)}
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FILE} == {}


def test_no_function_is_too_long() -> None:
    """No function of the product has more than 50 lines."""
    found = {shown(path): long_functions(parsed(path)) for path in python_files(*PACKAGES)}
    assert {name: functions for name, functions in found.items() if functions} == {}


def test_the_rule_counts_as_a_reader_does() -> None:
    """50 lines from `def` to the end pass, 51 do not."""
    fits = "def fits():\n" + "    x = 1\n" * 49
    exceeds = "async def exceeds():\n" + "    x = 1\n" * 50
    assert long_functions(ast.parse(fits + exceeds)) == ["exceeds"]
