"""`@pytest.mark.peer("mosquitto")`: without its peer a test is left out and counted; --require-peers: an error.

`@pytest.mark.long`: minutes, so only with --faults-long (`scripts/test faults`); otherwise left out and counted.
`@pytest.mark.compose`: in a Docker engine, so only with --compose (`scripts/test compose`).
"""

from collections import Counter
from functools import cache

import pytest

from tests.peers.programs import PEERS, mend

LEFT_OUT = pytest.StashKey[Counter[str]]()
TOO_LONG = pytest.StashKey[int]()
IN_DOCKER = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("telemetrio")
    group.addoption("--require-peers", action="store_true", help="a missing peer is an error, before any test runs")
    group.addoption("--faults-long", action="store_true", help="faults last as long as written, not 15 s")
    group.addoption("--compose", action="store_true", help="tests of deploy/compose.yaml in a Docker engine")


@pytest.fixture
def faults_long(request: pytest.FixtureRequest) -> bool:
    """Whether outages last as long as docs/operations.md says, or the quick form's 15 s."""
    return bool(request.config.getoption("--faults-long"))


def missing_peers(item: pytest.Item) -> list[str]:
    names = [name for mark in item.iter_markers("peer") for name in mark.args]
    unknown = [name for name in names if name not in PEERS]
    if unknown:
        raise pytest.UsageError(f"{item.nodeid}: no peer is called {', '.join(unknown)}; there are {', '.join(PEERS)}")
    return sorted({name for name in names if not _is_there(name)})


@cache
def _is_there(name: str) -> bool:
    return PEERS[name]() is not None


def without_long(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes minutes, unless it is asked for."""
    if config.getoption("--faults-long"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    config.stash[TOO_LONG] = len(long)
    config.hook.pytest_deselected(items=long)
    items[:] = [item for item in items if item not in long]


def without_compose(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs a Docker engine and makes images, unless it is asked for."""
    if config.getoption("--compose"):
        return
    inside = [item for item in items if item.get_closest_marker("compose")]
    config.stash[IN_DOCKER] = len(inside)
    config.hook.pytest_deselected(items=inside)
    items[:] = [item for item in items if item not in inside]


# last, so that only what -k and -m left is asked for its peers
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    without_long(config, items)
    without_compose(config, items)
    missing = {item: missing_peers(item) for item in items}
    lacking = [item for item in items if missing[item]]
    counted = config.stash.setdefault(LEFT_OUT, Counter())
    counted.update(name for item in lacking for name in missing[item])
    if lacking and config.getoption("--require-peers"):
        raise pytest.UsageError(f"--require-peers: missing {', '.join(f'{name} ({mend(name)})' for name in counted)}")
    config.hook.pytest_deselected(items=lacking)
    items[:] = [item for item in items if not missing[item]]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    long = config.stash.get(TOO_LONG, 0)
    if long:
        terminalreporter.write_line(f"left out: {long} of the longest (scripts/test faults runs them)")
    inside = config.stash.get(IN_DOCKER, 0)
    if inside:
        terminalreporter.write_line(f"left out: {inside} tests in a Docker engine (scripts/test compose runs them)")
    for name, tests in sorted(config.stash.get(LEFT_OUT, Counter()).items()):
        plural = "" if tests == 1 else "s"
        terminalreporter.write_line(f"left out: {tests} test{plural}, no {name} ({mend(name)})", yellow=True)
