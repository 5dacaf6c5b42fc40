"""Any statement renders as anything in any language, and each shows the document's total."""

import csv
import re
from decimal import Decimal
from fractions import Fraction
from functools import cache
from html import unescape
from io import BytesIO, StringIO
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree  # type: ignore[import-untyped]
from pypdf import PdfReader

from meterseal_aggregator.billing.rendering import (
    Cause,
    Kind,
    Language,
    RenderRequest,
    Unrenderable,
    render,
)
from meterseal_aggregator.billing.rendering.accepted import accepted
from meterseal_aggregator.billing.rendering.beancount import (
    Book,
    BookEntry,
    EntryKind,
    Side,
    beancount,
)
from meterseal_aggregator.billing.rendering.compose import compose
from meterseal_aggregator.billing.rendering.fonts import Fonts, set_in
from meterseal_aggregator.billing.rendering.greenbutton_read import read_green_button
from meterseal_aggregator.billing.rendering.numerals import figure
from meterseal_aggregator.billing.rendering.pdf import pdf
from meterseal_aggregator.billing.rendering.words import words_in
from meterseal_proto.errors import Malformed
from meterseal_proto.rating.statement import Statement
from tests.support.beancheck import complaints
from tests.support.data import shared_data
from tests.support.greenbutton import document, reading
from tests.support.renderings import request, requests, series
from tests.support.statements import CURRENCIES, DAY, JUNE, MAY, statements

ESPI = "{http://naesb.org/espi}"
CONTENT = "{http://www.w3.org/2005/Atom}content"


@cache
def schema() -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(shared_data("greenbutton", "naesb-espi.xsd")))


@cache
def written() -> bytes:
    return render(Kind.GREEN_BUTTON, request(with_series=(series(days=1),)))


def total(statement: Statement) -> Decimal:
    """The document's total, counted from its lines."""
    return Decimal(sum(row.amount for row in statement.lines)).scaleb(-statement.minor)


def shown(text: str, section: str) -> list[Decimal]:
    """What a section's facts say to programs."""
    (found,) = re.findall(rf'<dl id="{section}">(.*?)</dl>', text, re.DOTALL)
    return [Decimal(value) for value in re.findall(r'<data value="([^"]*)">', found)]


@settings(max_examples=60, deadline=None)
@given(requests())
def test_a_page_shows_the_total_and_groups_that_add_up_to_it(
    asked: RenderRequest,
) -> None:
    text = render(Kind.HTML, asked).decode()
    *groups, last = shown(text, "sums")
    assert last == sum(groups) == total(asked.statement)
    locale, page = words_in(asked.language).locale, unescape(text)
    for row in asked.statement.lines:
        assert f">{figure(locale, row.amount, asked.statement.minor)}<" in page
    assert page.count(asked.hash.hex()) == 1


@settings(max_examples=25, deadline=None)
@given(requests())
def test_paper_shows_the_total_or_is_refused_for_want_of_a_font(
    asked: RenderRequest,
) -> None:
    sheet = compose(accepted(asked))
    try:
        data = pdf(sheet, asked.statement.issued_at, Fonts())
    except Unrenderable as refused:
        assert refused.cause is Cause.NO_FONT
        assert asked.language is Language.HI
        return
    text = "".join(page.extract_text() for page in PdfReader(BytesIO(data)).pages)
    wanted = set_in(sheet.sums[-1].text, None)
    assert re.sub(r"\s", "", wanted) in re.sub(r"\s", "", text)
    assert data == pdf(sheet, asked.statement.issued_at, Fonts())


@settings(max_examples=50, deadline=None)
@given(requests())
def test_a_table_has_a_row_a_line_and_the_total(asked: RenderRequest) -> None:
    text = render(Kind.CSV, asked).decode()
    rows = list(csv.DictReader(StringIO(text, newline="")))
    amounts = [Decimal(row["amount"]) for row in rows]
    assert len(rows) == len(asked.statement.lines) + 1
    assert sum(amounts[:-1]) == amounts[-1] == total(asked.statement)
    for row in rows:
        assert not any(
            cell.startswith(("=", "+", "@", "\t"))
            or re.match(r"-(?!\d+(\.\d+)?$)(?!\d+/\d+$)", cell)
            for cell in row.values()
        )


@settings(max_examples=40, deadline=None)
@given(requests())
def test_green_button_is_valid_and_tells_the_total(asked: RenderRequest) -> None:
    try:
        data = render(Kind.GREEN_BUTTON, asked)
    except Unrenderable as refused:
        assert refused.cause is Cause.NOT_SAYABLE
        largest = max(abs(row.amount) for row in asked.statement.lines)
        assert largest * 60 * 10 ** (5 - asked.statement.minor) > 1 << 47
        return
    tree = etree.fromstring(data)
    for content in tree.iter(CONTENT):
        schema().assertValid(content[0])
    (told,) = tree.iter(f"{ESPI}billLastPeriod")
    exact = total(asked.statement).scaleb(5)
    assert abs(Decimal(told.text) - exact) <= Decimal("0.5")
    if asked.series:
        found = read_green_button(data)
        given_values = sorted(list(row.deltas) for row in asked.series)
        assert sorted([i.value for i in one.intervals] for one in found) == given_values


@settings(max_examples=60, deadline=None)
@given(requests())
def test_a_receipt_is_one_sms_with_number_and_total(asked: RenderRequest) -> None:
    text = render(Kind.SMS, asked).decode()
    if asked.language is Language.HI and not text.isascii():
        assert len(text.encode("utf-16-be")) // 2 <= 70
    else:
        assert len(text) + sum(text.count(letter) for letter in "^{}\\[~]|€") <= 160
    assert asked.statement.number in text
    assert f"{total(asked.statement):f} {asked.statement.currency}" in text


entries = st.builds(
    BookEntry,
    at=st.integers(MAY, JUNE + 400 * DAY),
    kind=st.sampled_from(EntryKind),
    amount=st.integers(1, 10**12),
    currency=st.sampled_from(CURRENCIES),
    number=st.from_regex(r"[0-9]{4}-[0-9]{1,9}", fullmatch=True),
    reference=st.text(max_size=20),
)


@settings(max_examples=8, deadline=None)
@given(
    st.lists(statements(), max_size=4),
    st.lists(entries, max_size=6),
    st.sampled_from(Side),
)
def test_bean_check_accepts_any_book(
    bills: list[Statement], moved: list[BookEntry], side: Side
) -> None:
    ledger = beancount(Book(7, tuple(bills), tuple(moved), "Asia/Kolkata", side))
    with TemporaryDirectory() as folder:
        assert complaints(ledger, Path(folder)) == ""


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_a_damaged_green_button_file_is_read_or_refused_and_nothing_else(
    data: st.DataObject,
) -> None:
    broken = bytearray(written())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(broken) - 1))
        if data.draw(st.booleans()):
            broken[at] = data.draw(st.integers(0, 255))
        else:
            del broken[at : at + data.draw(st.integers(1, 200))]
    try:
        found = read_green_button(bytes(broken))
    except Malformed as refused:
        assert refused.detail
        return
    for one in found:
        ends = [interval.start + interval.length for interval in one.intervals]
        assert all(
            later.start >= end
            for end, later in zip(ends, one.intervals[1:], strict=False)
        )
        assert all(interval.value >= 0 for interval in one.intervals)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 40).map(lambda slot: slot * 300),
            st.sampled_from((300, 600, 900)),
            st.integers(-1, 10**6),
        ),
        min_size=1,
        max_size=8,
    ),
    st.integers(-3, 3),
)
def test_a_series_is_read_if_and_only_if_nothing_overlaps_or_shrinks(
    rows: list[tuple[int, int, int]], power: int
) -> None:
    text = "".join(reading(start, value, length) for start, length, value in rows)
    data = document(text, powerOfTenMultiplier=str(power))
    spans = sorted((start, start + length) for start, length, _ in rows)
    apart = all(end <= start for (_, end), (start, _) in pairwise(spans))
    try:
        (found,) = read_green_button(data)
    except Malformed:
        assert not apart or min(value for _, _, value in rows) < 0
        return
    assert apart
    assert [interval.start for interval in found.intervals] == [s for s, _ in spans]
    whole = sum(value for _, _, value in rows) * Fraction(10) ** power
    assert sum(interval.value for interval in found.intervals) == int(whole)
