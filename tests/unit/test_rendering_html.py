"""A bill as a page: escaped, without script or anything from elsewhere, made to be heard."""

from dataclasses import replace
from fractions import Fraction
from html.parser import HTMLParser

import pytest

from meterseal_aggregator.billing.rendering import (
    Cause,
    Kind,
    Language,
    Names,
    Standing,
    Unrenderable,
    render,
)
from meterseal_aggregator.billing.rendering.request import MAX_LINES, MAX_TEXT
from meterseal_proto.rating.line import LineKind
from meterseal_proto.rating.statement import StatementKind
from tests.support.renderings import request, series
from tests.support.statements import DAY, MAY, line, plain_statement

VOID = {"meta", "br"}


class Page(HTMLParser):
    """Tags in order, with what is open checked at each end."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def page(language: Language = Language.EN, **changed: object) -> Page:
    found = request(language, with_series=(series(),))
    # The names are those of the fields; a wrong one fails at once.
    found = replace(found, **changed)  # type: ignore[arg-type]
    return Page(render(Kind.HTML, found).decode())


def test_a_bill_says_who_when_what_and_how_much() -> None:
    text = page().text.replace("\xa0", " ")
    for told in (
        "Zoë Müller",
        "1000 Bruxelles",
        "Sonnenstrom eG",
        "Flat 3, 1ESY1160",
        "2026-000042",
        "1 May 2026 to 31 May 2026",
        "Due on",
        "16 June 2026",
        "To pay: EUR 121.37",
        "312.5 kWh",
        "of which estimated",
        "energy, night",
        "0.1999",
        "19 % of 101.99",
        request().hash.hex(),
        "meterseal-verify bill.zip",
    ):
        assert told in text


def test_nothing_is_asked_from_elsewhere_and_nothing_runs() -> None:
    found = page()
    assert not {"script", "link", "img", "iframe", "object", "form"} & {
        tag for tag, _ in found.tags
    }
    for _, attributes in found.tags:
        assert not {"src", "href", "srcset", "action", "style"} & attributes.keys()
        assert not [name for name in attributes if name.startswith("on")]


def test_the_language_headings_and_scopes_help_who_hears_the_page() -> None:
    found = page(Language.HI)
    assert dict(found.tags)["html"] == {"lang": "hi"}
    headings = [tag for tag, _ in found.tags if tag in {"h1", "h2", "h3"}]
    assert headings[0] == "h1"
    assert set(headings[1:]) == {"h2"}
    assert all("scope" in attributes for tag, attributes in found.tags if tag == "th")
    tables = [tag for tag, _ in found.tags].count("table")
    assert tables == [tag for tag, _ in found.tags].count("caption") == 3
    assert dict(found.tags)["svg"]["aria-label"]


def test_names_and_components_are_text_and_never_markup() -> None:
    names = Names(
        "<script>alert(1)</script>", ('"><img src=x onerror=1>',), "&amp;", "'"
    )
    found = page(names=names)
    assert "<script>alert(1)</script>" in found.text
    assert not {"script", "img"} & {tag for tag, _ in found.tags}


def test_marks_that_turn_the_reading_direction_are_blanks() -> None:
    assert "\u202e" not in page(names=Names("evil\u202e73.1\u0007")).text
    assert "नाम\u200dक" in page(names=Names("नाम\u200dक")).text


def test_what_is_owed_comes_from_the_standing_and_arrears_have_a_line() -> None:
    standing = Standing(
        paid=21_370_000, outstanding=100_000_000, disputed=5_000_000, arrears=12_340_000
    )
    text = page(standing=standing).text.replace("\xa0", " ")
    assert "Still to pay for this bill: EUR 95.00" in text
    assert "EUR 107.34" in text
    assert "Owed from other bills" in text


def test_a_credit_note_says_what_it_takes_back_and_asks_for_no_money() -> None:
    lines = (line("energy", LineKind.ENERGY, -8016),)
    segment = replace(plain_statement().segments[0], lines=lines)
    note = plain_statement(
        kind=StatementKind.CREDIT_NOTE, corrects="2026-000041", segments=(segment,)
    )
    text = page(statement=note).text.replace("\xa0", " ")
    assert "Credit note 2026-000042" in text
    assert "Takes back bill" in text
    assert "2026-000041" in text
    assert "Owed to you: EUR 80.16" in text
    assert "Due on" not in text


def test_a_bill_of_more_sun_than_use_says_what_is_owed_to_the_member() -> None:
    lines = (line("sun", LineKind.EXPORT, -1_250),)
    segment = replace(plain_statement().segments[0], lines=lines)
    bill = plain_statement(segments=(segment,))
    text = page(statement=bill, standing=Standing()).text.replace("\xa0", " ")
    assert "Owed to you: EUR 12.50" in text


def test_a_private_register_shows_neither_reading_nor_usage() -> None:
    usage = replace(
        plain_statement().usage[0],
        first=None,
        last=None,
        quantity=None,
        estimated=0,
        digest=b"",
        proof=bytes(32),
    )
    text = page(statement=plain_statement(usage=(usage,)), series=()).text
    assert "private" in text
    assert "1,312.5" not in text
    assert "Private readings are shown to nobody" in text


def test_segments_each_have_a_table_named_by_their_span() -> None:
    whole = plain_statement().segments[0]
    parts = (
        replace(whole, end=MAY + 10 * DAY),
        replace(whole, begin=MAY + 10 * DAY),
    )
    text = page(statement=plain_statement(segments=parts)).text
    assert "Charges, 1 May 2026 to 10 May 2026" in text
    assert "Charges, 11 May 2026 to 31 May 2026" in text


def test_a_span_that_ends_within_a_day_says_the_hours() -> None:
    text = page(statement=plain_statement(begin=MAY + 3600)).text
    assert "1 May 2026 01:00 to 1 Jun 2026" in text


@pytest.mark.parametrize(
    ("language", "told"),
    [
        (Language.ES, "Factura 2026-000042"),
        (Language.FR, "Reste à payer"),
        (Language.SW, "Ankara 2026-000042"),
        (Language.HI, "बिल 2026-000042"),
    ],
)
def test_each_language_has_its_words_and_numbers(language: Language, told: str) -> None:
    found = page(language, standing=Standing(outstanding=1_234_567_000_000))
    assert told in found.text
    grouped = {
        Language.ES: "1.234.567,00",
        Language.FR: "1\u202f234\u202f567,00",
        Language.SW: "1,234,567.00",
        Language.HI: "12,34,567.00",
    }
    assert grouped[language] in found.text


def test_a_bill_with_too_many_lines_is_refused_and_says_how_many() -> None:
    segment = plain_statement().segments[0]
    many = (line("energy", LineKind.ENERGY, 1),) * (MAX_LINES + 1)
    huge = plain_statement(segments=(replace(segment, lines=many),))
    with pytest.raises(Unrenderable, match="601 lines") as refused:
        render(Kind.HTML, request(statement=huge))
    assert refused.value.cause is Cause.TOO_LARGE


def test_a_name_as_long_as_a_book_is_refused() -> None:
    with pytest.raises(Unrenderable, match="201 characters"):
        render(Kind.HTML, request(names=Names("a" * (MAX_TEXT + 1))))


@pytest.mark.parametrize("changed", [{"issued_at": 1 << 40}, {"due_at": -1}])
def test_a_time_that_no_calendar_has_is_refused(changed: dict[str, int]) -> None:
    for kind in set(Kind) - {Kind.JSON}:
        with pytest.raises(Unrenderable, match="no second of this age"):
            render(kind, request(statement=plain_statement(**changed)))


def test_an_amount_beyond_a_ledger_is_refused() -> None:
    row = line("energy", LineKind.ENERGY, 1 << 63)
    segment = replace(plain_statement().segments[0], lines=(row,))
    with pytest.raises(Unrenderable, match="beyond any ledger"):
        render(Kind.HTML, request(statement=plain_statement(segments=(segment,))))


def test_an_unknown_zone_is_refused_by_name() -> None:
    with pytest.raises(Unrenderable, match="Mars/Olympus"):
        render(Kind.HTML, request(statement=plain_statement(zone="Mars/Olympus")))


def test_a_price_that_does_not_end_says_so() -> None:
    row = line("energy", LineKind.ENERGY, 8016, Fraction(250), Fraction(1, 3))
    segment = replace(plain_statement().segments[0], lines=(row,))
    text = page(statement=plain_statement(segments=(segment,))).text
    assert "~\xa00.333333" in text


def test_the_json_is_the_document_itself() -> None:
    assert render(Kind.JSON, request()) == request().document
