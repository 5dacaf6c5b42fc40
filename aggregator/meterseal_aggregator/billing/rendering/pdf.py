"""A sheet on A4: the same sheet and the same fonts give the same bytes.

Bills in Latin letters use the fonts every reader has and depend on no file. A bill in
Hindi is refused where no font can set it, because half of it would be question marks; its
HTML needs nothing. This module must never print what the sheet does not say.
"""

from collections.abc import Iterator
from typing import Final

from meterseal_aggregator.billing.rendering.fonts import Fonts, find_fonts
from meterseal_aggregator.billing.rendering.paper import (
    BODY,
    GAP_MM,
    HUGE,
    LARGE,
    LINE_MM,
    MARGIN_MM,
    SMALL,
    WIDTH_MM,
    Paper,
)
from meterseal_aggregator.billing.rendering.readings import TALLEST
from meterseal_aggregator.billing.rendering.request import (
    Cause,
    Language,
    Unrenderable,
)
from meterseal_aggregator.billing.rendering.sheet import (
    Chart,
    Fact,
    Role,
    Row,
    Section,
    Sheet,
    Table,
)

CHART_MM: Final = 32.0
PAD_MM: Final = 2.0
_HALF_MM: Final = WIDTH_MM / 2
_LABEL_MM: Final = 42.0
_SUM_MM: Final = 110.0
_GREY: Final = 240
_RULE: Final = 170


def pdf(sheet: Sheet, created_at: int, fonts: Fonts | None = None) -> bytes:
    """Return a sheet as PDF; Unrenderable if too long, or if no font has its language.

    `created_at` is the second that the file says it was made. Without `fonts`, those of
    the system's packages are used.
    """
    fonts = find_fonts() if fonts is None else fonts
    if sheet.words.language is Language.HI and not (fonts.text and fonts.write_hindi):
        raise Unrenderable(
            Cause.NO_FONT,
            "a PDF in Hindi needs the packages fonts-dejavu-core, fonts-lohit-deva and"
            " uharfbuzz where it is made: take the HTML",
        )
    paper = Paper(_texts(sheet), fonts, created_at)
    paper.set_title(sheet.title)
    paper.set_lang(sheet.words.language.value)
    page = sheet.words.say("Page {page} of {pages}", page="{page}", pages="{pages}")
    paper.page_text = f"{sheet.title} - {page}"
    paper.room(0)
    _head(paper, sheet)
    for table in sheet.tables:
        _table(paper, table)
    _sums(paper, sheet)
    for chart in sheet.charts:
        _chart(paper, chart)
    for section in sheet.sections:
        _section(paper, section)
    return bytes(paper.output())


def _texts(sheet: Sheet) -> Iterator[str]:
    """Yield what will be written, for the choice of fonts: all of it that can surprise."""
    yield from (sheet.title, sheet.issuer, *sheet.recipient, sheet.headline.label)
    facts = (*sheet.facts, sheet.headline, *sheet.sums, *sheet.standing)
    for fact in facts:
        yield from (fact.label, fact.text)
    for table in sheet.tables:
        yield table.caption
        yield from (column.title for column in table.columns)
        yield from (cell for row in table.rows for cell in row.cells)
    for chart in sheet.charts:
        yield from (chart.caption, chart.note)
        yield from (bar.day for bar in chart.bars)
    for section in sheet.sections:
        yield from (section.heading, *section.paragraphs)
        yield from (text for fact in section.facts for text in (fact.label, fact.text))


def _head(paper: Paper, sheet: Sheet) -> None:
    if sheet.issuer:
        paper.style(SMALL)
        paper.paragraph(sheet.issuer)
    paper.style(HUGE, bold=True)
    paper.paragraph(sheet.title)
    paper.ln(GAP_MM)
    top = paper.get_y()
    paper.style(BODY)
    for text in sheet.recipient:
        paper.paragraph(text, width=_HALF_MM - 8)
    left = paper.get_y()
    paper.set_y(top)
    for fact in sheet.facts:
        _fact(paper, fact, MARGIN_MM + _HALF_MM - 4, _HALF_MM + 4)
    paper.set_y(max(left, paper.get_y()) + 2 * GAP_MM)
    _headline(paper, sheet.headline)


def _headline(paper: Paper, fact: Fact) -> None:
    paper.style(LARGE, bold=True)
    lines = paper.wrapped(f"{fact.label}: {fact.text}", WIDTH_MM - 2 * PAD_MM)
    height = paper.line_mm * len(lines) + 2 * PAD_MM
    paper.room(height)
    top = paper.get_y()
    paper.set_fill_color(_GREY)
    paper.rect(MARGIN_MM, top, WIDTH_MM, height, style="F")
    paper.set_y(top + PAD_MM)
    paper.write_lines(lines, MARGIN_MM + PAD_MM, WIDTH_MM, "L")
    paper.set_y(top + height + GAP_MM)


def _fact(paper: Paper, fact: Fact, x: float, width: float) -> None:
    """Write a label and, beside it, what it says."""
    paper.style(BODY)
    label = paper.wrapped(fact.label, _LABEL_MM - GAP_MM)
    text = paper.wrapped(fact.text, width - _LABEL_MM)
    paper.room(LINE_MM * max(len(label), len(text)))
    top = paper.get_y()
    paper.write_lines(label, x, _LABEL_MM, "L")
    after = paper.get_y()
    paper.set_y(top)
    paper.write_lines(text, x + _LABEL_MM, width - _LABEL_MM, "L")
    paper.set_y(max(after, paper.get_y()))


def _heading(paper: Paper, text: str, below: float = 3 * LINE_MM) -> None:
    """Write a heading that stays with at least `below` mm of what it heads."""
    paper.ln(2 * GAP_MM)
    paper.style(LARGE, bold=True)
    lines = paper.wrapped(text, WIDTH_MM)
    paper.room(paper.line_mm * (len(lines) + 1) + below)
    paper.write_lines(lines, MARGIN_MM, WIDTH_MM, "L")
    paper.ln(GAP_MM)


def _table(paper: Paper, table: Table) -> None:
    """Write a table; its titles stand again on each page that it goes on."""
    _heading(paper, table.caption)
    titles = Row(tuple(column.title for column in table.columns), Role.SUM)
    for row in (titles, *table.rows):
        if paper.room(_height(_cells(paper, table, row))):
            _row(paper, table, titles)
        _row(paper, table, row)


def _cells(paper: Paper, table: Table, row: Row) -> list[tuple[float, list[str]]]:
    """Return each cell's width and lines; a GROUP row's one cell is as wide as all."""
    paper.style(BODY, bold=row.role is not Role.LINE)
    whole = sum(column.share for column in table.columns)
    widths = [WIDTH_MM * column.share / whole for column in table.columns]
    if row.role is Role.GROUP:
        widths = [WIDTH_MM]
    return [
        (width, paper.wrapped(cell, width - 2 * GAP_MM))
        for cell, width in zip(row.cells, widths, strict=True)
    ]


def _height(cells: list[tuple[float, list[str]]]) -> float:
    return LINE_MM * max(len(lines) for _, lines in cells) + GAP_MM


def _row(paper: Paper, table: Table, row: Row) -> None:
    cells = _cells(paper, table, row)
    top, x = paper.get_y(), MARGIN_MM
    for (width, lines), column in zip(cells, table.columns, strict=False):
        paper.set_y(top)
        paper.write_lines(
            lines, x + GAP_MM, width - 2 * GAP_MM, "R" if column.number else "L"
        )
        x += width
    bottom = top + _height(cells)
    rule = bottom - GAP_MM / 2
    paper.set_draw_color(_RULE)
    paper.line(MARGIN_MM, rule, MARGIN_MM + WIDTH_MM, rule)
    paper.set_y(bottom)


def _sums(paper: Paper, sheet: Sheet) -> None:
    paper.ln(2 * GAP_MM)
    for facts in (sheet.sums, sheet.standing):
        for fact in facts:
            paper.style(BODY, bold=fact is facts[-1])
            _sum(paper, fact)
        paper.ln(GAP_MM)


def _sum(paper: Paper, fact: Fact) -> None:
    label = paper.wrapped(fact.label, _SUM_MM - GAP_MM)
    text = paper.wrapped(fact.text, WIDTH_MM - _SUM_MM)
    paper.room(LINE_MM * max(len(label), len(text)))
    top = paper.get_y()
    paper.write_lines(label, MARGIN_MM, _SUM_MM, "R")
    after = paper.get_y()
    paper.set_y(top)
    paper.write_lines(text, MARGIN_MM + _SUM_MM, WIDTH_MM - _SUM_MM - GAP_MM, "R")
    paper.set_y(max(after, paper.get_y()))


def _chart(paper: Paper, chart: Chart) -> None:
    _heading(paper, chart.caption, CHART_MM + 3 * LINE_MM)
    paper.style(SMALL)
    paper.paragraph(chart.note)
    bottom = paper.get_y() + GAP_MM + CHART_MM
    pitch = WIDTH_MM / len(chart.bars)
    paper.set_fill_color(43, 92, 138)
    for place, bar in enumerate(chart.bars):
        height = CHART_MM * bar.height / TALLEST
        if height > 0:
            x = MARGIN_MM + place * pitch
            paper.rect(x, bottom - height, pitch * 0.8, height, style="F")
    paper.line(MARGIN_MM, bottom, MARGIN_MM + WIDTH_MM, bottom)
    for bar, align in ((chart.bars[0], "L"), (chart.bars[-1], "R")):
        paper.set_y(bottom + 1)
        paper.write_lines(paper.wrapped(bar.day, _HALF_MM), MARGIN_MM, WIDTH_MM, align)


def _section(paper: Paper, section: Section) -> None:
    _heading(paper, section.heading)
    for text in section.paragraphs:
        paper.style(BODY)
        paper.paragraph(text)
        paper.ln(GAP_MM)
    for fact in section.facts:
        _fact(paper, fact, MARGIN_MM, WIDTH_MM)
