"""What a document says of a month: in six languages, and in every manner of numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterseal_aggregator.market.documents.figures import (
    MAX_FIGURES,
    figures,
    normal,
    occurs,
    proposed,
    read_kwh,
)

HALF_MWH = 500_000


@pytest.mark.parametrize(
    "text",
    [
        "Monthly production: 500 kWh",
        "Expected yield 500 kWh per month",
        "500kWh/month",
        "0.5 MWh a month",
        "500 000 Wh each month",
        "Monthly production (kWh): 500",
        "Production [kWh/month]: 500.0",
        "Monthly production\n500 kWh",
        "6,000 kWh per year",
        "6 MWh p.a.",
        "Annual production: 6,000.00 kWh\nMonthly average: 500 kWh",
        "500 units per month",
        "60,000 Wh and 500 kWh/month",
        "1,20,000 Wh in all; 500 units a month",
        "Producción mensual: 500,0 kWh",
        "6.000 kWh al año",
        "Production annuelle : 6\u202f000 kWh",
        "500 kWh par mois",
        "Jahresertrag: 6.000 kWh",
        "Ertrag 500 kWh pro Monat (6.000,0 kWh/Jahr)",
        "500 Kilowattstunden im Monat",
        "Uzalishaji: kWh 3 - 500 kWh kwa mwezi",
        "6'000 kWh kwa mwaka",
        "मासिक उत्पादन: ५०० kWh",
        "५०० यूनिट प्रति माह",
        "वार्षिक उत्पादन 6,000 किलोवाट घंटा",
        # Letters and digits of full width, as typed in East Asia.
        "Monthly \uff15\uff10\uff10 \uff4bWh",
    ],
)
def test_a_plain_figure_is_proposed_by_the_month(text: str) -> None:
    assert proposed(normal(text)) == {HALF_MWH}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Invoice 500 of the month, 500 EUR",
        "500 kWh",
        "Panels of 500 W, monthly cleaning",
        "Monthly 500 kWh Annual 6000 kWh",
        "Month\nSerial number\n500 kWh",
        "Month or year\n500 kWh",
        "Monthly: 22.11.2026 kWh",
        "Monthly: 0 kWh",
        "Monthly: 1234567890123456 kWh",
    ],
)
def test_what_is_not_plain_is_not_proposed(text: str) -> None:
    assert proposed(normal(text)) == set()


@pytest.mark.parametrize(
    ("text", "many"),
    [
        ("monthly 500 kWh\nmonthly 510 kWh", {500_000, 510_000}),
        ("meter 12 500 kWh a month", {12_500_000, 500_000}),
        ("1.234 MWh a month", {1_234_000, 1_234_000_000}),
        ("5,800 kWh a year, 483 kWh a month", {483_333, 483_000}),
    ],
)
def test_of_several_figures_none_is_chosen(text: str, many: set[int]) -> None:
    assert proposed(normal(text)) == many


def test_a_year_is_divided_exactly_and_floored_to_the_watt_hour() -> None:
    assert proposed(normal("6001 kWh per year")) == {500_083}
    assert proposed(normal("0.011 kWh per year")) == set()


@pytest.mark.parametrize(
    ("text", "kwh", "there"),
    [
        ("500", "500", True), ("no. 500-7", "500", True), ("1500", "500", False),
        ("5001", "500", False), ("500.5", "500", False), ("5 00", "500", False),
        ("1.234", "1234", True), ("1.234", "1.234", True), ("1,234.5", "1234.5", True),
        ("1.234,5", "1234.5", True), ("1'234.5", "1234.5", True), ("12 345", "345", True),
        ("6000 kWh per year", "500", True), ("6000 kWh per year", "6000", False),
        ("0.5 MWh", "500", True), ("0.5 MWh", "0.5", False), ("५००", "500", True),
        ("1,2,3", "123", False), ("22.11.2026", "22.11", False), ("", "500", False),
    ],
)  # fmt: skip
def test_a_named_figure_must_stand_in_the_text(
    text: str, kwh: str, there: bool
) -> None:
    wh = read_kwh(kwh)
    assert wh is not None
    assert occurs(normal(text), wh) is there


@pytest.mark.parametrize(
    ("text", "wh"),
    [
        ("512.5", 512_500), ("0.001", 1), ("999999999", 999_999_999_000), ("0", None),
        ("0.000", None), ("1.2345", None), ("-1", None), ("1e3", None), ("NaN", None),
        ("", None), (" 1", None), ("1,5", None), ("\u0665", None), ("1\n", None),
    ],
)  # fmt: skip
def test_a_figure_on_the_wire_has_one_spelling(text: str, wh: int | None) -> None:
    assert read_kwh(text) == wh


MANNERS = ("{:,}", "{:_}", "{}", "{:,}.0", "{}.5")


@given(kwh=st.integers(1, 10**8), manner=st.sampled_from(MANNERS), mark=st.booleans())
def test_however_a_number_is_grouped_it_is_found(
    kwh: int, manner: str, mark: bool
) -> None:
    written = manner.format(kwh).replace("_", "\u202f")
    if mark:
        written = written.translate(str.maketrans(",.", ".,"))
    wh = kwh * 1_000 + 500 * manner.endswith("5")
    text = normal(f"installed 2026-11-22, {written} kWh per month")
    assert occurs(text, wh)
    assert proposed(text) == {wh}


@given(st.text(max_size=200), st.integers(1, 10**12))
def test_nothing_is_proposed_that_does_not_occur(text: str, wh: int) -> None:
    clean = normal(text + " kWh per month")
    assert all(occurs(clean, one) for one in proposed(clean))
    digits = "".join(one for one in clean if one.isdigit())
    if not digits:
        assert not occurs(clean, wh)


def test_long_lines_of_numbers_are_read_once() -> None:
    for line in ("1 " * 50_000, "123 " * 25_000, "1,111" * 20_000, "9" * 100_000,
                 "kwh) " * 20_000, "1 kwh/" * 16_000):  # fmt: skip
        assert len(figures(line)) <= MAX_FIGURES
