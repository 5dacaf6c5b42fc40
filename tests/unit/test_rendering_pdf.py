"""A bill on paper: the same bytes whoever makes it, whole, and never longer than a limit."""

import hashlib
import os
import re
import subprocess
import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from pypdf import PdfReader

from meterseal_aggregator.billing.rendering import (
    Cause,
    Kind,
    Language,
    Names,
    RenderRequest,
    Standing,
    Unrenderable,
    paper,
    render,
)
from meterseal_aggregator.billing.rendering.accepted import accepted
from meterseal_aggregator.billing.rendering.compose import compose
from meterseal_aggregator.billing.rendering.fonts import Fonts, find_fonts, set_in
from meterseal_aggregator.billing.rendering.pdf import pdf
from meterseal_proto.rating.line import LineKind
from tests.support.data import absent
from tests.support.renderings import request, series
from tests.support.statements import line, plain_statement

ROOT = Path(__file__).parents[2]
MAKE = """
import sys
from meterseal_aggregator.billing.rendering import Kind, Names, render
from tests.support.renderings import request, series
names = Names(sys.argv[1], ("Ulica 5",), "Sonnenstrom eG")
sys.stdout.buffer.write(render(Kind.PDF, request(names=names, with_series=(series(),))))
"""
A4 = (595, 842)


def bare(asked: RenderRequest) -> bytes:
    """The PDF where no font is installed."""
    return pdf(compose(accepted(asked)), asked.statement.issued_at, Fonts())


def read(data: bytes) -> str:
    text = "\n".join(page.extract_text() for page in PdfReader(BytesIO(data)).pages)
    return text.replace("\xa0", " ")


def made_apart(name: str, seed: str) -> bytes:
    """The PDF as another process makes it, whose hashes fall otherwise."""
    environment = {**os.environ, "PYTHONHASHSEED": seed, "TZ": f"UTC-{seed}"}
    return subprocess.run(
        [sys.executable, "-c", MAKE, name],
        cwd=ROOT,
        env=environment,
        check=True,
        capture_output=True,
    ).stdout


def needs_text_font() -> None:
    if find_fonts().text is None:
        absent(
            "no font for more than Western letters: apt-get install fonts-dejavu-core"
        )


def test_two_processes_make_the_same_bytes() -> None:
    one, other = made_apart("Zoë", "1"), made_apart("Zoë", "2")
    assert one.startswith(b"%PDF-")
    assert hashlib.sha256(one).digest() == hashlib.sha256(other).digest()


def test_two_processes_make_the_same_bytes_with_a_font_from_a_file() -> None:
    needs_text_font()
    one, other = made_apart("Łukasz Żółć", "1"), made_apart("Łukasz Żółć", "2")
    assert one == other
    assert "Łukasz Żółć" in read(one)


def test_the_file_says_it_was_made_when_the_bill_was_issued() -> None:
    found = PdfReader(BytesIO(bare(request()))).metadata
    assert found is not None
    assert found.creation_date_raw == "D:20260601220000Z"
    assert found.title == "Bill 2026-000042"
    assert found.producer == "Meterseal"


def test_the_paper_says_who_when_what_and_how_much() -> None:
    asked = request(with_series=(series(),), standing=Standing(outstanding=121_370_000))
    data = bare(asked)
    text = read(data)
    for told in (
        "Zoë Müller",
        "Sonnenstrom eG",
        "Bill 2026-000042",
        "16 June 2026",
        "1 May 2026 to 31 May 2026",
        "1,312.5",
        "312.5 kWh",
        "Energy: energy, night",
        "EUR 121.37",
        "Usage by day: Electricity from the grid",
        "How to check this bill",
        asked.hash.hex(),
        "meterseal-verify bill.zip",
        "Page 1 of 2",
        "Page 2 of 2",
    ):
        assert told in text
    pages = PdfReader(BytesIO(data)).pages
    assert {
        (round(page.mediabox.width), round(page.mediabox.height)) for page in pages
    } == {A4}


@pytest.mark.parametrize("language", [Language.ES, Language.FR, Language.SW])
def test_western_languages_need_no_font_file(language: Language) -> None:
    text = read(bare(request(language, with_series=(series(),))))
    assert "?" not in text
    assert "2026-000042" in text


def test_a_bill_in_hindi_is_refused_where_no_font_can_set_it() -> None:
    with pytest.raises(Unrenderable, match="take the HTML") as refused:
        bare(request(Language.HI))
    assert refused.value.cause is Cause.NO_FONT


def test_a_bill_in_hindi_is_set_where_its_font_is() -> None:
    if not (find_fonts().text and find_fonts().write_hindi):
        pytest.skip("no Devanagari: fonts-lohit-deva and uharfbuzz are not installed")
    data = render(Kind.PDF, request(Language.HI, with_series=(series(),)))
    assert "121.37" in read(data)
    assert b"Devanagari" in data


def test_a_name_in_letters_that_no_font_has_is_question_marks() -> None:
    text = read(bare(request(names=Names("Łukasz 李"))))
    assert "?ukasz ?" in text
    assert set_in("Łé", frozenset("Łe")) == "Ł?"


def test_a_name_cannot_stand_for_the_number_of_pages() -> None:
    assert "{nb}" not in read(bare(request(names=Names("a{nb}b"))))
    assert "a?b" in read(bare(request(names=Names("a{nb}b"))))


def test_a_long_table_goes_on_below_its_titles_on_the_next_page() -> None:
    rows = tuple(line(f"part {row}", LineKind.ENERGY, row) for row in range(100))
    segment = replace(plain_statement().segments[0], lines=rows)
    data = bare(request(statement=plain_statement(segments=(segment,))))
    pages = PdfReader(BytesIO(data)).pages
    assert len(pages) >= 3
    assert "What for" in pages[1].extract_text()
    text = read(data)
    assert all(f"part {row}" in text for row in range(100))


def test_the_longest_bill_within_the_limits_is_printed() -> None:
    rows = tuple(line("long " * 38, LineKind.ENERGY, 10**9 + row) for row in range(600))
    segment = replace(plain_statement().segments[0], lines=rows)
    statement = plain_statement(segments=(segment,))
    data = bare(request(statement=statement))
    assert 30 < len(PdfReader(BytesIO(data)).pages) <= paper.MAX_PAGES


def test_a_bill_of_more_pages_than_the_limit_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(paper, "MAX_PAGES", 1)
    with pytest.raises(Unrenderable, match="more than 1 pages"):
        bare(request(with_series=(series(),)))


def test_a_word_wider_than_its_column_is_broken_and_not_lost() -> None:
    name = "x" * 200
    text = read(bare(request(names=Names(name))))
    assert len(re.findall("x", text)) >= 200
