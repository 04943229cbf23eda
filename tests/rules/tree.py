"""The source as the rules see it: files, modules, and what each imports, without running any of it."""

import ast
import os
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ("services", "shared", "telemetrio")
_RUN_LATER: Final = (ast.FunctionDef, ast.AsyncFunctionDef)


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def shown(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def module_name(path: Path) -> str:
    """`shared/topics.py` is `shared.topics`, `shared/__init__.py` is `shared`."""
    return shown(path).removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def modules() -> dict[str, Path]:
    """Every module of the product, by name."""
    return {module_name(path): path for path in python_files(*PACKAGES)}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def _is_for_types_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _import_nodes(node: ast.AST, *, typing: bool, later: bool) -> Iterator[ast.Import | ast.ImportFrom]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        elif (typing or not _is_for_types_only(child)) and (later or not isinstance(child, _RUN_LATER)):
            yield from _import_nodes(child, typing=typing, later=later)


def imports(tree: ast.AST, package: str, *, typing: bool = True, later: bool = True) -> set[str]:
    """All that is imported anywhere in it; `from a import b` counts as `a` and `a.b`, relative ones from `package`.

    Without `typing` not what is for types only, without `later` not what is imported when a function runs.
    """
    found: set[str] = set()
    for node in _import_nodes(tree, typing=typing, later=later):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
            continue
        above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        module = ".".join([*above, *([node.module] if node.module else [])])
        found.add(module)
        found.update(f"{module}.{alias.name}" for alias in node.names)
    return found


def imports_of(path: Path, *, typing: bool = True, later: bool = True) -> set[str]:
    name = module_name(path)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    return imports(parsed(path), package, typing=typing, later=later)


def within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def kept_files() -> list[Path]:
    """Every text file that is, or would be, in git; in a tree without git, every one that no tool has made."""
    if (ROOT / ".git").exists():
        asked = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
        listed = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True).stdout
        candidates = [ROOT / name for name in listed.split("\0") if name]
    else:
        candidates = list(_walk())
    return [path for path in candidates if path.is_file() and b"\0" not in path.read_bytes()]


def _walk() -> Iterator[Path]:
    made = {"node_modules", "__pycache__", "web", "dist", "build", "data"}
    for folder, folders, files in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in made and (name[0] != "." or name == ".ci")]
        yield from (Path(folder, name) for name in files)
