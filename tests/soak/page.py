"""The same as one HTML page with plots: nothing to fetch, readable in light and dark."""

from collections.abc import Callable, Sequence
from html import escape
from itertools import pairwise
from typing import NamedTuple

from tests.soak.report import Report, rows

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 960, 200, 64, 24
_STYLE = """
:root{color-scheme:light dark;--ink:#1d2329;--soft:#5b6770;--line:#d8dee3}
:root{--a:#0b6bcb;--b:#b4540a;--c:#1a7f4b;--mark:#c2272d33}
@media(prefers-color-scheme:dark){:root{--ink:#e6ebef;--soft:#9aa7b1;--line:#323a41}
:root{--a:#5aa9f5;--b:#f0a25c;--c:#58c58d;--mark:#ff6b6b44}}
body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);max-width:1000px;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse}td{padding:.2rem 1.2rem .2rem 0;vertical-align:top}
td:nth-child(2){font-weight:600;white-space:nowrap}
td:nth-child(3),text{color:var(--soft);fill:var(--soft)}svg{width:100%;height:auto;display:block}text{font-size:11px}
h2{font-size:1.05rem;margin:2rem 0 .3rem}.verdict{font-size:1.4rem;font-weight:650}
"""


Scale = Callable[[float], float]


class Line(NamedTuple):
    """`points`: (seconds, value), None where there is nothing to show; `colour`: of the style sheet."""

    name: str
    colour: str
    points: Sequence[tuple[float, float | None]]


def page(report: Report) -> str:
    """Of the whole report."""
    table = "".join(
        f"<tr><td>{escape(what)}</td><td>{escape(figure)}</td><td>{escape(remark)}</td></tr>"
        for what, figure, remark in rows(report)
    )
    verdict = "Nothing lost, nothing doubled, nothing wrong." if report.clean else "Not clean: see below."
    plots = "".join(f"<h2>{escape(title)}</h2>{plot(report, lines)}" for title, lines in _plots(report))
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Soak, seed {report.seed}</title><style>{_STYLE}</style>"
        f'<h1>Soak</h1><p class="verdict">{verdict}</p><table>{table}</table>{plots}'
        "<p>Red bands: something was killed, cut or stopped.</p></html>\n"
    )


def _plots(report: Report) -> list[tuple[str, list[Line]]]:
    samples = report.samples
    rate = [(b.at_s, (b.acknowledged - a.acknowledged) / (b.at_s - a.at_s)) for a, b in pairwise(samples)]
    memory = [
        Line(name, colour, [(each.at_s, each.memory_mib.get(name)) for each in samples])
        for name, colour in (("ingest", "--a"), ("realtime", "--b"), ("api", "--c"))
    ]
    return [
        ("Acknowledged to devices, messages a second", [Line("acknowledged", "--a", rate)]),
        (
            "Waiting on disk for the store, entries",
            [Line("spooled", "--b", [(each.at_s, each.spooled) for each in samples])],
        ),
        ("Memory, MiB", memory),
    ]


def plot(report: Report, lines: Sequence[Line]) -> str:
    """As SVG; `lines` share one axis from zero."""
    values = [value for line in lines for _, value in line.points if value is not None]
    top = max([*values, 1.0])
    span = max([report.seconds, *(at_s for line in lines for at_s, _ in line.points)])

    def x(at_s: float) -> float:
        return _LEFT + at_s / span * (_WIDTH - _LEFT)

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - value / top * (_HEIGHT - _BOTTOM - 10)

    bands = "".join(
        f'<rect x="{x(each.at_s):.1f}" y="0" width="{max(x(each.at_s + each.for_s) - x(each.at_s), 1):.1f}" '
        f'height="{_HEIGHT - _BOTTOM}" fill="var(--mark)"><title>{escape(each.fault)}</title></rect>'
        for each in report.events
    )
    axis = "".join(
        f'<line x1="{_LEFT}" x2="{_WIDTH}" y1="{y(part * top):.1f}" y2="{y(part * top):.1f}" stroke="var(--line)"/>'
        f'<text x="{_LEFT - 6}" y="{y(part * top) + 4:.1f}" text-anchor="end">{part * top:,.0f}</text>'
        for part in (0, 0.5, 1)
    )
    times = "".join(
        f'<text x="{x(part * span):.1f}" y="{_HEIGHT - 6}" text-anchor="{anchor}">{part * span / 60:.1f} min</text>'
        for part, anchor in ((0, "start"), (0.5, "middle"), (1, "end"))
    )
    drawn = "".join(
        f'<path fill="none" stroke="var({line.colour})" stroke-width="1.4" d="{_path(line.points, x, y)}"/>'
        for line in lines
    )
    legend = "".join(
        f'<text x="{_WIDTH - 90 * (len(lines) - place)}" y="12" style="fill:var({line.colour})">{line.name}</text>'
        for place, line in enumerate(lines)
    )
    return f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img">{bands}{axis}{times}{drawn}{legend}</svg>'


def _path(points: Sequence[tuple[float, float | None]], x: Scale, y: Scale) -> str:
    """A line that is broken where a value is missing."""
    words, down = [], False
    for at_s, value in points:
        if value is None:
            down = False
            continue
        words.append(f"{'L' if down else 'M'}{x(at_s):.1f} {y(value):.1f}")
        down = True
    return "".join(words)
