"""Every code of an error is in docs/http.md."""

import ast
from collections.abc import Iterator
from typing import Final

from services.api import errors
from services.api.errors import ApiError
from tests.rules.tree import ROOT, parsed, python_files

RAISED: Final = {name for name, each in vars(errors).items() if isinstance(each, type) and issubclass(each, ApiError)}


def codes_of(tree: ast.Module) -> Iterator[str]:
    """Second arguments of what is raised, as far as they stand there in letters."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in RAISED:
            match node.args:
                case [_, ast.Constant(str(code)), *_]:
                    yield code


def test_every_code_is_documented() -> None:
    """Programs tell errors apart by their codes: one that nobody wrote down is one that nobody expects."""
    told = (ROOT / "docs" / "http.md").read_text()
    raised = {code for path in python_files("services/api") for code in codes_of(parsed(path))}
    assert len(raised) > 40
    assert sorted(code for code in raised if f"`{code}`" not in told) == []
