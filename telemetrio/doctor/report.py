"""The report: a table for people, JSON for programs."""

import json

from rich.console import Console
from rich.table import Table
from rich.text import Text

from telemetrio.doctor.examination import Report


def as_json(report: Report) -> str:
    """`healthy`, `findings`, `examined`, `left_out`."""
    told = {
        "healthy": report.healthy,
        "findings": [finding._asdict() for finding in report.findings],
        "examined": report.examined,
        "left_out": report.left_out,
    }
    return json.dumps(told, indent=2, ensure_ascii=False)


def show(report: Report, console: Console) -> None:
    """Each finding with what it means and what to do; then what was looked at, and what was not."""
    if report.findings:
        table = Table(title=f"{len(report.findings)} to mend", title_justify="left", show_lines=True, expand=True)
        for title, ratio in (("check", 1), ("found", 4), ("means", 4), ("mend", 5)):
            table.add_column(title, ratio=ratio, overflow="fold")
        for finding in report.findings:
            table.add_row(*(Text(part) for part in finding))  # as they are: brackets are no markup here
        console.print(table)
    else:
        console.print(Text("nothing to mend", style="bold green"))
    console.print(Text(f"looked at: {', '.join(report.examined) or 'nothing'}"))
    for name, why in report.left_out.items():
        console.print(Text(f"left out: {name}: {why}", style="dim"))
