"""A bill as CSV: rows that RFC 4180 readers read back, and that no spreadsheet computes."""

import csv
from dataclasses import replace
from fractions import Fraction
from io import StringIO

import pytest

from meterseal_aggregator.billing.rendering import Kind, RenderRequest, render
from meterseal_aggregator.billing.rendering.csv_table import COLUMNS, harmless
from meterseal_proto.rating.line import LineKind
from tests.support.renderings import request
from tests.support.statements import line, plain_statement


def rows(asked: RenderRequest) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(render(Kind.CSV, asked).decode(), newline="")))


def test_each_line_has_a_row_and_the_last_is_the_total() -> None:
    found = rows(request())
    assert list(found[0]) == list(COLUMNS)
    assert [row["amount"] for row in found[:-1]] == [
        "80.16",
        "12.39",
        "0.00",
        "1.44",
        "8.00",
        "19.38",
        "0.00",
    ]
    assert found[-1]["kind"] == "total"
    assert found[-1]["amount"] == "121.37"
    assert found[1]["exact"] == "12.3938"
    assert found[0]["segment_begin"] == "2026-04-30T22:00:00Z"


def test_lines_end_as_the_standard_says() -> None:
    data = render(Kind.CSV, request())
    assert data.count(b"\r\n") == data.count(b"\n") == 9


def test_a_comma_a_quote_and_a_line_break_come_back() -> None:
    bad = 'a,"b"\nc'
    row = line(bad, LineKind.ENERGY, 1)
    segment = replace(plain_statement().segments[0], lines=(row,))
    found = rows(request(statement=plain_statement(segments=(segment,))))
    assert found[0]["component"] == 'a,"b" c'


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+x",
        "-x",
        "@SUM(A1)",
        "\tx",
        " =1",
        "\uff1d1",
        "-1+2",
        "+1",
        "=cmd|' /C calc'!A0",
    ],
)
def test_what_a_spreadsheet_could_compute_is_text(text: str) -> None:
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", ["-12.50", "0", "energy, day", "", "1/3", "a=b"])
def test_numbers_and_plain_texts_stay_as_they_are(text: str) -> None:
    assert harmless(text) == text


def test_a_fraction_without_an_end_is_written_as_one() -> None:
    row = line("energy", LineKind.ENERGY, 8016, Fraction(-1, 8), Fraction(1, 3))
    segment = replace(plain_statement().segments[0], lines=(row,))
    found = rows(request(statement=plain_statement(segments=(segment,))))
    assert (found[0]["quantity"], found[0]["price"]) == ("-0.125", "1/3")
