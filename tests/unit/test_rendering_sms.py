"""Receipts of one SMS, counted by the alphabet that phone networks use."""

import pytest

from meterseal_aggregator.billing.rendering import (
    Cause,
    Kind,
    Language,
    Unrenderable,
    gsm,
    render,
)
from meterseal_aggregator.billing.rendering.notices import (
    FIELDS,
    Wording,
    amount_text,
    day_text,
    notice_text,
    short_day_text,
    short_text,
)
from tests.support.renderings import request
from tests.support.statements import JUNE, plain_statement

# 3GPP TS 23.038, 6.2.1, by code points: the default alphabet without the escape.
DEFAULT = {
    0x40, 0xA3, 0x24, 0xA5, 0xE8, 0xE9, 0xF9, 0xEC, 0xF2, 0xC7, 0x0A, 0xD8, 0xF8, 0x0D,
    0xC5, 0xE5, 0x394, 0x5F, 0x3A6, 0x393, 0x39B, 0x3A9, 0x3A0, 0x3A8, 0x3A3, 0x398,
    0x39E, 0xC6, 0xE6, 0xDF, 0xC9, 0xA4, 0xA1, 0xC4, 0xD6, 0xD1, 0xDC, 0xA7, 0xBF, 0xE4,
    0xF6, 0xF1, 0xFC, 0xE0, *range(0x20, 0x24), *range(0x25, 0x40), *range(0x41, 0x5B),
    *range(0x61, 0x7B),
}  # fmt: skip
# The extension table: form feed ^ { } \ [ ~ ] | and the euro sign.
EXTENDED = {0x0C, 0x5E, 0x7B, 0x7D, 0x5C, 0x5B, 0x7E, 0x5D, 0x7C, 0x20AC}

VALUES = {
    "number": "2026-000042",
    "amount": "1,234.50\xa0EUR",
    "begin": "2026-05-01",
    "end": "2026-05-31",
    "due": "2026-06-16",
    "hash": "76a1b4551c2cc633",
    "meter": "1ESY1160",
    "since": "2026-05-04",
}


def is_one_sms(text: str) -> bool:
    """Whether a text is one SMS, by the tables above alone."""
    codes = [ord(letter) for letter in text]
    if set(codes) <= DEFAULT | EXTENDED:
        return sum(2 if code in EXTENDED else 1 for code in codes) <= 160
    return sum(2 if code > 0xFFFF else 1 for code in codes) <= 70


def values(wording: Wording, **changed: str) -> dict[str, str]:
    return {name: {**VALUES, **changed}[name] for name in FIELDS[wording]}


def test_the_alphabet_is_that_of_the_standard() -> None:
    assert {ord(letter) for letter in gsm.BASIC} == DEFAULT
    assert {ord(letter) for letter in gsm.EXTENSION} == EXTENDED
    assert len(gsm.BASIC) == 127


@pytest.mark.parametrize(
    ("text", "count"),
    [("", 0), ("abc", 3), ("€5", 3), ("[x]", 5), ("ç", None), ("ñ", 1)],
)
def test_places_are_counted_as_a_network_does(text: str, count: int | None) -> None:
    assert gsm.septets(text) == count


def test_the_last_place_counts() -> None:
    assert gsm.fits("a" * 160)
    assert not gsm.fits("a" * 161)
    assert not gsm.fits("a" * 159 + "€")
    assert gsm.fits("क" * 70)
    assert not gsm.fits("क" * 71)
    assert not gsm.fits("😀" * 36)


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("wording", Wording)
def test_every_notice_is_one_sms_in_every_language(
    wording: Wording, language: Language
) -> None:
    text = short_text(wording, language, values(wording))
    assert is_one_sms(text)
    shown = "meter" if wording is Wording.AGENT_SILENT else "number"
    assert VALUES[shown] in text or wording is Wording.AGENT_SILENT
    if language is not Language.HI:
        assert {ord(letter) for letter in text} <= DEFAULT | EXTENDED
        assert "?" not in text


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("wording", [one for one in Wording if "amount" in FIELDS[one]])
def test_the_longest_number_and_amount_still_fit(
    wording: Wording, language: Language
) -> None:
    longest = {"number": "9" * 32, "amount": "-9223372036854.775807\xa0UTILITY-TOKN"}
    text = short_text(wording, language, values(wording, **longest))
    assert is_one_sms(text)
    assert "9" * 32 in text
    assert "9223372036854.775807" in text


def test_what_cannot_be_one_sms_is_refused() -> None:
    with pytest.raises(Unrenderable, match="one SMS") as refused:
        short_text(
            Wording.TRADE_PAID,
            Language.EN,
            {"number": "9" * 150, "amount": "1" * 150},
        )
    assert refused.value.cause is Cause.TOO_LARGE


def test_the_receipt_of_a_bill_names_number_total_due_and_fingerprint() -> None:
    text = render(Kind.SMS, request()).decode()
    assert text == (
        "Bill 2026-000042, 2026-05-01 to 2026-05-31: 121.37 EUR, due 2026-06-16."
        f" Check: {request().hash.hex()[:16]}"
    )


def test_the_receipt_in_hindi_is_short_and_says_the_same() -> None:
    text = render(Kind.SMS, request(Language.HI)).decode()
    assert "121.37 EUR" in text
    assert "2026-06-16" in text
    assert gsm.ucs2(text) <= 70


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("wording", Wording)
def test_a_mail_has_a_line_of_subject_and_all_its_values(
    wording: Wording, language: Language
) -> None:
    told = notice_text(wording, language, values(wording))
    assert "\n" not in told.subject
    for name in FIELDS[wording]:
        assert VALUES[name] in told.subject + told.body


def test_a_mail_without_its_values_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="meter, since"):
        notice_text(Wording.AGENT_SILENT, Language.EN, {"meter": "x"})


def test_a_line_break_in_a_value_does_not_break_a_subject() -> None:
    told = notice_text(
        Wording.AGENT_SILENT, Language.EN, {"meter": "x\r\nBcc: all", "since": "today"}
    )
    assert told.subject.splitlines() == [told.subject]


def test_days_are_told_in_the_zone_and_language() -> None:
    assert day_text(Language.SW, JUNE, "Europe/Berlin") == "1 Juni 2026"
    assert short_day_text(JUNE, "UTC") == "2026-05-31"


def test_a_total_below_nothing_keeps_its_sign() -> None:
    statement = plain_statement()
    assert statement.total > 0
    assert amount_text(Language.ES, -1_500_000, 2, "EUR") == "-1,50\xa0EUR"
