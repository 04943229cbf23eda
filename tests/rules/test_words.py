"""What no kept file may contain: unfinished work, swallowed errors, one machine's names, weak tests."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.rules.tree import PACKAGES, kept_files, parsed, python_files, shown

UNFINISHED: Final = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")
ONE_MACHINE: Final = re.compile(r"(?<![\w.:/-])/(root|home/\w+|Users/\w+)/")
REGISTRY: Final = re.compile(
    r'"resolved":\s*"http|registry\s*[=:]\s*"?http|--(?:extra-)?index-url|--find-links'
    r"|(?:files\.pythonhosted|registry\.npmjs|registry\.yarnpkg)\."
)
# the last one is put together for searches that take this file for a test of that kind
GIVING_UP: Final = frozenset({"skip", "skipif", "skipIf", "skipUnless", "importorskip", "SkipTest", "x" + "fail"})
BROAD: Final = frozenset({"Exception", "BaseException"})


def lines_with(pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{shown(path)}:{number} {line.strip()[:90]}"
        for path in kept_files()
        if path != Path(__file__)  # it must name what it looks for
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]


def broad(caught: ast.expr | None) -> bool:
    if isinstance(caught, ast.Tuple):
        return any(broad(one) for one in caught.elts)
    return caught is None or (isinstance(caught, ast.Name) and caught.id in BROAD)


def swallowed(tree: ast.AST) -> Iterator[int]:
    """Lines of `except:`, of a broad handler that does nothing, and of a broad `suppress`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler):
            idle = all(isinstance(line, ast.Pass | ast.Continue) or is_constant(line) for line in node.body)
            if node.type is None or (broad(node.type) and idle):
                yield node.lineno
        elif isinstance(node, ast.Call) and called(node) == "suppress" and any(broad(one) for one in node.args):
            yield node.lineno


def is_constant(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def called(node: ast.Call) -> str:
    """The last word of what is called: `asyncio.sleep(1)` and `sleep(1)` are both `sleep`."""
    return ast.unparse(node.func).rpartition(".")[2]


def shows_a_defect(node: ast.AST) -> bool:
    """With `strict=True` and `raises` it shows a defect of somebody else's, and fails once that is mended."""
    given = {word.arg: ast.unparse(word.value) for word in node.keywords} if isinstance(node, ast.Call) else {}
    return given.get("strict") == "True" and "raises" in given


def weak(tree: ast.AST) -> Iterator[int]:
    """Lines on which a test is skipped, may fail for any reason, or sleeps; `sleep(0)` only gives way."""
    meant = {node.func for node in ast.walk(tree) if isinstance(node, ast.Call) and shows_a_defect(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr in GIVING_UP and node not in meant:
            if ast.unparse(node.value).split(".")[0] in ("pytest", "mark", "unittest"):
                yield node.lineno
        elif isinstance(node, ast.ImportFrom) and node.module in ("pytest", "unittest"):
            if GIVING_UP & {alias.name for alias in node.names}:
                yield node.lineno
        elif (
            isinstance(node, ast.Call) and called(node) == "sleep" and [ast.unparse(one) for one in node.args] != ["0"]
        ):
            yield node.lineno


def test_nothing_is_unfinished() -> None:
    """What is left to do is an issue, not a comment."""
    assert lines_with(UNFINISHED) == []


def test_no_file_belongs_to_one_machine() -> None:
    """No kept file names a registry's host or a path of somebody's machine."""
    assert lines_with(ONE_MACHINE) + lines_with(REGISTRY) == []


def test_no_error_is_swallowed() -> None:
    """No bare except, no broad one that does nothing, in the product, its scripts and its tests."""
    files = python_files(*PACKAGES, "scripts", "tests")
    assert [f"{shown(path)}:{line}" for path in files for line in swallowed(parsed(path))] == []


def test_no_test_gives_up_or_sleeps() -> None:
    """A test runs, or is left out for a missing peer; it waits for a condition, through tests/peers/waiting.py."""
    files = [path for path in python_files("tests") if shown(path) != "tests/peers/waiting.py"]
    assert [f"{shown(path)}:{line}" for path in files for line in weak(parsed(path))] == []


def test_the_rules_see_planted_words() -> None:
    """Each kind of line is found, and its harmless neighbour is not."""
    assert UNFINISHED.search("x = 1  # TODO: later")
    assert not UNFINISHED.search("todos")
    assert ONE_MACHINE.search("cd /home/ann/src")
    assert not ONE_MACHINE.search("https://example.org/home/page/ and ./root/x and /home")
    assert REGISTRY.search(json.dumps({"resolved": "https://example.org/vue.tgz"}))
    assert not REGISTRY.search("the container registry: example.org")


def test_the_rules_see_planted_code() -> None:
    """Each kind of swallowed error and weak test is found, and its harmless neighbour is not."""
    errors = ["except:\n  log()", "except Exception:\n  pass", "except (OSError, BaseException):\n  ..."]
    assert [list(swallowed(ast.parse("try:\n  f()\n" + handler))) for handler in errors] == [[3], [3], [3]]
    assert list(swallowed(ast.parse("try:\n  f()\nexcept OSError:\n  pass"))) == []
    assert list(swallowed(ast.parse("with contextlib.suppress(Exception):\n  f()"))) == [1]
    for line in (
        "import pytest\npytest." + "skip('x')",
        "\n@pytest.mark." + "skipif(True)\ndef f(): ...",
        "\nsleep(0.1)",
    ):
        assert list(weak(ast.parse(line))) == [2]
    defect = "pytest.mark." + "x" + "fail"
    assert list(weak(ast.parse(f"{defect}(reason='some day')"))) == [1]
    assert list(weak(ast.parse(f"{defect}(strict=True, raises=OSError)"))) == []
    assert list(weak(ast.parse("await asyncio.sleep(0)\nreader.skip(3)\npytest.fail('x')"))) == []
