"""What the resident's page makes of what the outbox holds: sums, bills, words, markup."""

from dataclasses import replace
from datetime import date
from xml.etree.ElementTree import Element

import pytest

from meterseal_agent.outbox.answers import ABANDONED, DURABLE
from meterseal_agent.outbox.model import Chain, KeptDay
from meterseal_agent.outbox.shown import Telling
from meterseal_agent.record import Record
from meterseal_agent.resident import markup, pages, words
from meterseal_agent.resident.figures import (
    Went,
    bill_shown,
    by_date,
    by_hour,
    by_month,
    days_shown,
)
from meterseal_agent.run.resident import clock
from meterseal_proto.bill import BillStatement, ProvedBill
from meterseal_proto.errors import Reason
from meterseal_proto.seal import Head
from meterseal_proto.tariff import Band, MicroPerKwh, Tariff
from meterseal_proto.units import IMPORT, WATER, MeterId, Quality, RegisterId

BERLIN = clock("Europe/Berlin")
STEP = 900
SPRING = 1_774_738_800
"""2026-03-29 00:00 in Berlin: a day of 23 hours."""
AUTUMN = 1_792_879_200
"""2026-10-25 00:00 in Berlin: a day of 25 hours."""
METER = MeterId(bytes(16))
CHAIN = Chain(1, METER, IMPORT, STEP, 1_000, Head(0, bytes(32), 0, 0), 0, 0)


def kept(first: int, *values: int | None, seq: int = 1, untold: int = 0) -> KeptDay:
    qualities = tuple(
        int(Quality.MISSING if value is None else Quality.RAW) for value in values
    )
    digest = bytes(28) + (first // STEP).to_bytes(4)
    return KeptDay(1, seq, first, STEP, first, values, qualities, untold, digest)


def record(start: int, delta: int, length: int = STEP) -> Record:
    return Record(METER, IMPORT, start, length, delta, 0, Quality.RAW)


def test_a_day_of_23_and_one_of_25_hours_are_one_date_each() -> None:
    for first, slots in ((SPRING, 92), (AUTUMN, 100)):
        (day,) = days_shown([(kept(first, *[1] * slots), DURABLE)], BERLIN)
        assert day.on == BERLIN(first).date()
        assert BERLIN(day.end).hour == 0
        hours = by_hour(kept(first, *[1] * slots), BERLIN)
        assert sum(used for _, used, _ in hours) == slots
        assert len(hours) == (23 if slots == 92 else 24), "02:00 is two hours long"


TELLINGS: list[tuple[list[int | None], Went, int]] = [
    ([None], Went.WAITS, 1),
    ([DURABLE], Went.TAKEN, 1),
    ([int(Reason.TIME_WINDOW)], Went.REFUSED, 1),
    ([int(Reason.TIME_WINDOW), None], Went.WAITS, 2),
    ([int(Reason.PROOF), DURABLE], Went.TAKEN, 2),
    ([ABANDONED, DURABLE], Went.TAKEN, 1),
]


@pytest.mark.parametrize(("reasons", "went", "tellings"), TELLINGS)
def test_a_day_stands_as_it_was_told_last(
    reasons: list[int | None], went: Went, tellings: int
) -> None:
    told: list[Telling] = [
        (kept(SPRING, 5, 6, seq=n), reason) for n, reason in enumerate(reasons)
    ]
    (day,) = days_shown(told, BERLIN)
    assert (day.went, day.tellings, day.used) == (went, tellings, 11)


def test_a_day_that_was_told_bare_keeps_its_usage_here() -> None:
    told: list[Telling] = [
        (kept(SPRING, 5, 6, untold=100), int(Reason.TIME_WINDOW)),
        (kept(SPRING, None, None, seq=2), DURABLE),
    ]
    (day,) = days_shown(told, BERLIN)
    assert (day.used, day.missing, day.went) == (111, 0, Went.TAKEN)


def test_how_long_a_meter_was_silent_is_said_in_hours() -> None:
    for missing, said in ((0, "never"), (1, "15 min"), (5, "1 h 15 min")):
        values = [None] * missing + [1] * (96 - missing)
        (day,) = days_shown([(kept(SPRING, *values), DURABLE)], BERLIN)
        assert words.silent(day) == said


def test_an_abandoned_day_is_not_counted_beside_its_records() -> None:
    days = days_shown([(kept(SPRING, 5, 6), ABANDONED)], BERLIN)
    records = [record(SPRING, 5), record(SPRING + STEP, 6)]
    assert by_date(days, records, BERLIN) == {date(2026, 3, 29): 11}


def test_records_of_told_days_are_not_counted_twice() -> None:
    days = days_shown([(kept(SPRING, *[1] * 92), DURABLE)], BERLIN)
    after = SPRING + 92 * STEP
    records = [record(after - STEP, 1), record(after, 7), record(after + STEP, 8)]
    usage = by_date(days, records, BERLIN)
    assert usage == {date(2026, 3, 29): 92, date(2026, 3, 30): 15}
    assert by_month(usage) == {date(2026, 3, 1): 107}


TARIFF = Tariff(
    "t", "EUR", "Europe/Berlin", 0,
    (Band(MicroPerKwh(300_001), begin=60, end=120), Band(MicroPerKwh(200_000))),
)  # fmt: skip


def a_bill(days: list[KeptDay], amount: int) -> ProvedBill:
    headers = tuple(day.hash for day in days)
    statement = BillStatement(
        *(bytes(32), METER, IMPORT, SPRING, SPRING + 92 * STEP, TARIFF.hash()),
        *(amount, 0, headers, bytes(32)),
    )
    return ProvedBill(statement, bytes(64), bytes(64))


def test_a_bill_is_recomputed_to_the_last_micro_unit() -> None:
    days = [kept(SPRING, *range(92))]
    dear, cheap = sum(range(4, 8)), sum(range(92)) - sum(range(4, 8))
    amount = dear * 300_001 + cheap * 200_000
    shown = bill_shown(a_bill(days, amount), TARIFF, days, BERLIN)
    assert [(line.price, line.used) for line in shown.lines] == [
        *((300_001, dear), (200_000, cheap)),
    ]
    assert sum(line.amount for line in shown.lines) == shown.amount
    assert shown.right
    assert bill_shown(a_bill(days, amount + 1), TARIFF, days, BERLIN).right is False


def test_a_bill_over_other_days_than_are_kept_is_not_recomputed() -> None:
    days = [kept(SPRING, *range(92))]
    other = [replace(days[0], hash=bytes(32))]
    for found in ([], other):
        shown = bill_shown(a_bill(days, 1), TARIFF, found, BERLIN)
        assert (shown.lines, shown.right) == ((), None)


AMOUNTS = [
    (IMPORT, 0, "0.0 kWh", "0.000 kWh"),
    (IMPORT, 49, "0.0 kWh", "0.049 kWh"),
    (IMPORT, 50, "0.1 kWh", "0.050 kWh"),
    (IMPORT, 1_949, "1.9 kWh", "1.949 kWh"),
    (IMPORT, 1_950, "2.0 kWh", "1.950 kWh"),
    (IMPORT, 12_345_678, "12,345.7 kWh", "12,345.678 kWh"),
    (WATER, 1_234, "1,234 litres", "1.234 m³"),
]


@pytest.mark.parametrize(("register", "used", "glance", "whole"), AMOUNTS)
def test_amounts_are_written_for_a_glance_and_to_the_last_one(
    register: RegisterId, used: int, glance: str, whole: str
) -> None:
    assert words.amount(register, used) == glance
    assert words.exact(register, used) == whole


MONEY = [
    (0, "0.00 EUR", "0.00 EUR"),
    (4_999_999, "0.00 EUR", "0.004999999 EUR"),
    (5_000_000, "0.01 EUR", "0.005 EUR"),
    (1_234_567_890, "1.23 EUR", "1.23456789 EUR"),
    (10**15, "1,000,000.00 EUR", "1,000,000.00 EUR"),
]


@pytest.mark.parametrize(("amount", "rounded", "whole"), MONEY)
def test_money_is_rounded_once_and_shown_whole(
    amount: int, rounded: str, whole: str
) -> None:
    assert words.money(amount, "EUR") == rounded
    assert words.exact_money(amount, "EUR") == whole


def test_prices_and_times_are_words() -> None:
    assert words.price(310_000, "EUR", IMPORT) == "0.31 EUR per kWh"
    assert words.price(2_000_000, "EUR", WATER) == "2.00 EUR per m³"
    assert words.bands(TARIFF.bands) == "01:00 to 02:00; at all other times"
    winter = Band(MicroPerKwh(1), days="sat-sun", months="11-3")
    assert words.bands((winter,)) == "00:00 to 24:00, sat-sun, months 11-3"
    assert words.wait(90) == "Too many tries. Please wait 90 seconds, then try again."
    assert "61 minutes" in words.wait(3_601)


NASTY = '<script>alert("1")</script>&amp;'


def test_what_a_text_holds_is_never_markup() -> None:
    usage = pages.Usage(CHAIN, NASTY, True, {date(2026, 3, 29): 5}, date(2026, 3, 29))
    for page in (pages.start([usage], 0), pages.months(usage)):
        assert b"<script" not in page
        assert b"&lt;script&gt;" in page
    link = markup.e("a", "x", href='"><script>')
    assert b"<script>" not in markup.document("t", link)
    assert b"<title>&lt;b&gt;" in markup.document("<b>")


def test_texts_and_elements_keep_their_order() -> None:
    made = markup.e("p", "a", markup.e("b", "c"), "d", None, "e", Element("br"), "f")
    assert (
        "<p>a<b>c</b>de<br />f</p>".replace(" /", "")
        in markup.document("t", made).decode()
    )


def test_the_policy_lets_in_the_one_style_sheet() -> None:
    import base64
    import hashlib

    style = markup.document("t").split(b"<style>")[1].split(b"</style>")[0]
    digest = base64.b64encode(hashlib.sha256(style).digest()).decode()
    assert f"style-src 'sha256-{digest}'" in markup.POLICY
    assert b"url(" not in style
    assert b"@import" not in style


def test_the_page_can_be_read_in_the_dark_and_with_a_keyboard() -> None:
    assert "prefers-color-scheme:dark" in markup.CSS
    assert ":focus-visible" in markup.CSS
    assert words.SKIP.encode() in pages.start([], 0)
