"""Every module has a test that knows it."""

import ast
from typing import Final

from tests.rules.tree import imports_of, modules, parsed, python_files

# Alembic runs these by path; the tests of migrations run Alembic.
RUN_BY_ALEMBIC: Final = ("shared.database.migrations.env", "shared.database.migrations.versions.")


def has_code(tree: ast.Module) -> bool:
    """Whether there is more than a docstring."""
    return any(not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) for node in tree.body)


def with_parents(names: set[str]) -> set[str]:
    """Importing `a.b.c` runs `a` and `a.b` too."""
    return {".".join(name.split(".")[:depth]) for name in names for depth in range(1, name.count(".") + 2)}


def test_every_module_is_imported_by_a_test() -> None:
    """A module that no test imports is code that nobody would miss."""
    imported = with_parents({name for path in python_files("tests") for name in imports_of(path)})
    unknown = [name for name, path in modules().items() if name not in imported and has_code(parsed(path))]
    assert [name for name in unknown if not name.startswith(RUN_BY_ALEMBIC)] == []


def test_an_empty_package_needs_no_test() -> None:
    """A docstring is no code; one assignment is."""
    assert not has_code(ast.parse('"""Why this package exists."""'))
    assert has_code(ast.parse('"""Why this package exists."""\nx = 1'))
