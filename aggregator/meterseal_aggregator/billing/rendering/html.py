"""A sheet as one HTML page: no script, nothing from elsewhere, readable on paper and aloud.

Headings in order, tables with captions and scopes, the page's language on its first
element; the chart is a picture with its words and its numbers beside it. This module must
never put text into a page unescaped.
"""

from collections.abc import Iterable, Iterator
from html import escape
from typing import Final

from meterseal_aggregator.billing.rendering.readings import TALLEST
from meterseal_aggregator.billing.rendering.sheet import (
    Chart,
    Column,
    Fact,
    Role,
    Row,
    Section,
    Sheet,
    Table,
)

CHART_WIDTH: Final = 1_000
CHART_HEIGHT: Final = 200
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
_STYLE: Final = """
body{font:16px/1.45 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;
color:#111;background:#fff}
h1{font-size:1.6rem;margin:.5rem 0}h2{font-size:1.15rem;margin:1.6rem 0 .4rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1.2rem;margin:.6rem 0}
dt{color:#444}dd{margin:0;overflow-wrap:anywhere}
.headline{font-size:1.3rem;border:2px solid #111;padding:.6rem 1rem;margin:1rem 0}
table{border-collapse:collapse;width:100%;margin:.8rem 0}
caption{text-align:left;font-weight:600;font-size:1.15rem;padding:.4rem 0}
th,td{padding:.25rem .5rem;text-align:left;vertical-align:top;border-bottom:1px solid #ccc;
overflow-wrap:anywhere}
.n{text-align:right;white-space:nowrap;font-variant-numeric:tabular-nums}
tbody th[scope=rowgroup]{background:#f0f0f0}.sum th,.sum td{font-weight:700;border-top:2px
solid #111}svg{width:100%;height:auto}rect{fill:#2b5c8a}
@media print{body{margin:0;max-width:none;font-size:11pt}tr,svg,dl{break-inside:avoid}
details{display:none}@page{size:A4;margin:16mm}}
"""


def html(sheet: Sheet) -> bytes:
    """Return a sheet as a UTF-8 page."""
    language = escape(sheet.words.language.value)
    return "".join(
        (
            f'<!DOCTYPE html>\n<html lang="{language}">\n<head>\n<meta charset="utf-8">\n',
            '<meta name="viewport" content="width=device-width,initial-scale=1">\n',
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n',
            f"<title>{escape(sheet.title)}</title>\n<style>{_STYLE}</style>\n</head>\n",
            f"<body>\n<main>\n{''.join(_body(sheet))}</main>\n</body>\n</html>\n",
        )
    ).encode()


def _body(sheet: Sheet) -> Iterator[str]:
    if sheet.issuer:
        yield f"<p>{escape(sheet.issuer)}</p>\n"
    yield f"<h1>{escape(sheet.title)}</h1>\n"
    lines = "<br>".join(escape(line) for line in sheet.recipient)
    yield f"<address>{lines}</address>\n"
    yield _facts(sheet.facts)
    headline = sheet.headline
    yield f'<p class="headline">{escape(headline.label)}: {_data(headline)}</p>\n'
    for table in sheet.tables:
        yield from _table(table)
    yield f"<h2>{escape(sheet.words.say('Sums'))}</h2>\n"
    yield _facts(sheet.sums, 'id="sums"')
    if sheet.standing:
        yield f"<h2>{escape(sheet.words.say('How it stands'))}</h2>\n"
        yield _facts(sheet.standing, 'id="standing"')
    for chart in sheet.charts:
        yield from _chart(sheet, chart)
    for section in sheet.sections:
        yield from _section(section)


def _facts(facts: Iterable[Fact], mark: str = "") -> str:
    rows = "".join(
        f"<dt>{escape(fact.label)}</dt><dd>{_data(fact)}</dd>\n" for fact in facts
    )
    return f"<dl{' ' if mark else ''}{mark}>\n{rows}</dl>\n"


def _data(fact: Fact) -> str:
    if not fact.value:
        return escape(fact.text)
    return f'<data value="{escape(fact.value)}">{escape(fact.text)}</data>'


def _table(table: Table) -> Iterator[str]:
    yield f"<table>\n<caption>{escape(table.caption)}</caption>\n<thead>\n<tr>"
    for column in table.columns:
        yield f'<th scope="col"{_class(column)}>{escape(column.title)}</th>'
    yield "</tr>\n</thead>\n<tbody>\n"
    for row in table.rows:
        yield _row(row, table.columns)
    yield "</tbody>\n</table>\n"


def _row(row: Row, columns: tuple[Column, ...]) -> str:
    if row.role is Role.GROUP:
        text = escape(row.cells[0])
        return f'<tr><th scope="rowgroup" colspan="{len(columns)}">{text}</th></tr>\n'
    head, *rest = row.cells
    cells = "".join(
        f"<td{_class(column)}>{escape(cell)}</td>"
        for cell, column in zip(rest, columns[1:], strict=True)
    )
    mark = ' class="sum"' if row.role is Role.SUM else ""
    return f'<tr{mark}><th scope="row">{escape(head)}</th>{cells}</tr>\n'


def _class(column: Column) -> str:
    return ' class="n"' if column.number else ""


def _chart(sheet: Sheet, chart: Chart) -> Iterator[str]:
    yield f"<h2>{escape(chart.caption)}</h2>\n<p>{escape(chart.note)}</p>\n"
    yield (
        f'<svg role="img" viewBox="0 0 {CHART_WIDTH} {CHART_HEIGHT}"'
        f' aria-label="{escape(chart.caption)}. {escape(chart.note)}">\n'
    )
    pitch = CHART_WIDTH / len(chart.bars)
    for place, bar in enumerate(chart.bars):
        height = bar.height * CHART_HEIGHT // TALLEST
        yield (
            f'<rect x="{place * pitch:.1f}" y="{CHART_HEIGHT - height}"'
            f' width="{pitch * 0.8:.1f}" height="{height}">'
            f"<title>{escape(bar.day)}: {escape(bar.text)}</title></rect>\n"
        )
    yield "</svg>\n"
    yield f"<details><summary>{escape(sheet.words.say('The numbers'))}</summary>\n<table>\n"
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in chart.columns)
    yield f"<caption>{escape(chart.caption)}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n"
    for bar in chart.bars:
        yield f'<tr><th scope="row">{escape(bar.day)}</th><td>{escape(bar.text)}</td></tr>\n'
    yield "</tbody>\n</table></details>\n"


def _section(section: Section) -> Iterator[str]:
    yield f"<h2>{escape(section.heading)}</h2>\n"
    for paragraph in section.paragraphs:
        yield f"<p>{escape(paragraph)}</p>\n"
    if section.facts:
        yield _facts(section.facts)
