"""What Chromium's own trace tells of a page's main thread."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from playwright.sync_api import Browser, Page

LONG_TASK_MS: Final = 50


@contextmanager
def traced(browser: Browser, page: Page) -> Iterator[list[float]]:
    """The list has, once this is over, what each task of the main thread took of the processor in milliseconds."""
    tasks: list[float] = []
    browser.start_tracing(page=page, categories=["toplevel", "disabled-by-default-devtools.timeline"])
    try:
        yield tasks
    finally:
        tasks += main_thread_ms(json.loads(browser.stop_tracing())["traceEvents"])


def main_thread_ms(events: list[dict[str, Any]]) -> list[float]:
    """Other work on the machine is not counted: processor time, not time on the wall."""
    named = [event for event in events if event.get("name") == "thread_name"]
    mains = {(event["pid"], event["tid"]) for event in named if event["args"]["name"] == "CrRendererMain"}
    return [
        event["tdur"] / 1000
        for event in events
        if event["name"].endswith("RunTask") and "tdur" in event and (event["pid"], event["tid"]) in mains
    ]
