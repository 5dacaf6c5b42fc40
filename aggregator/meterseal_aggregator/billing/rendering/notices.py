"""What members are told, in their language: a mail's subject and body, and one SMS.

    values = {"number": "2026-000042", "amount": amount_text(...), "due": ..., ...}
    text = notice_text(Notice.BILL_ISSUED, Language.SW, values)
    sms = short_text(Notice.BILL_ISSUED, Language.SW, values)

Texts come from the catalogues, values from whoever tells. This module must never name
usage or an amount that its values do not hold.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from meterseal_aggregator.billing.rendering.accepted import cleaned
from meterseal_aggregator.billing.rendering.gsm import fits, in_default_alphabet
from meterseal_aggregator.billing.rendering.numerals import (
    day,
    iso_day,
    local,
    micro_money,
    zone_of,
)
from meterseal_aggregator.billing.rendering.request import (
    MAX_TEXT,
    Cause,
    Language,
    Unrenderable,
)
from meterseal_aggregator.billing.rendering.words import noted, words_in

UCS2_LANGUAGES: Final = frozenset({Language.HI})
"""Languages whose letters the default alphabet of SMS has not: 70 places instead of 160."""


class Notice(StrEnum):
    """What somebody is told. The values each takes are in `FIELDS`."""

    BILL_ISSUED = "bill-issued"
    PAYMENT_RECEIVED = "payment-received"
    BILL_OVERDUE = "bill-overdue"
    TRADE_SETTLED = "trade-settled"
    AGENT_SILENT = "agent-silent"
    BILL_CREDITED = "bill-credited"
    """A bill or credit note that asks for nothing."""
    TRADE_PAID = "trade-paid"
    """A settled trade of which only the money is told."""
    DISPUTE_DECIDED = "dispute-decided"


FIELDS: Final[Mapping[Notice, frozenset[str]]] = {
    Notice.BILL_ISSUED: frozenset({"number", "amount", "begin", "end", "due", "hash"}),
    Notice.PAYMENT_RECEIVED: frozenset({"number", "amount", "rest"}),
    Notice.BILL_OVERDUE: frozenset({"number", "amount", "due"}),
    Notice.TRADE_SETTLED: frozenset(
        {"number", "ordered", "delivered", "amount", "day"}
    ),
    Notice.AGENT_SILENT: frozenset({"meter", "since"}),
    Notice.BILL_CREDITED: frozenset({"number", "amount"}),
    Notice.TRADE_PAID: frozenset({"number", "amount"}),
    Notice.DISPUTE_DECIDED: frozenset({"number"}),
}
"""What each notice is filled with. `number` is a bill's or trade's; `amount` money with
its code; `begin` and `end` the first and last day, `due`, `day` and `since` days; `hash`
the bill's fingerprint, or its beginning; `ordered` and `delivered` kWh as numbers."""


@dataclass(frozen=True, slots=True)
class NoticeText:
    """A mail: one line of subject, and a body of paragraphs."""

    subject: str
    body: str


_SUBJECTS: Final = {
    Notice.BILL_ISSUED: noted("Your bill {number}: {amount}"),
    Notice.PAYMENT_RECEIVED: noted("Your payment for bill {number}"),
    Notice.BILL_OVERDUE: noted("Bill {number} is overdue"),
    Notice.TRADE_SETTLED: noted("Trade {number} is settled"),
    Notice.AGENT_SILENT: noted("Your meter {meter} is silent"),
    Notice.BILL_CREDITED: noted("Your bill {number}: {amount}"),
    Notice.TRADE_PAID: noted("Trade {number} is settled"),
    Notice.DISPUTE_DECIDED: noted("Your dispute {number} is decided"),
}
_BODIES: Final = {
    Notice.BILL_ISSUED: noted(
        "Your bill {number} for {begin} to {end} comes to {amount}. Please pay it by"
        " {due}.\n\nYou can check every line of it yourself: its fingerprint in the public"
        " log is {hash}."
    ),
    Notice.PAYMENT_RECEIVED: noted(
        "We received {amount} for bill {number}. Still to pay for it: {rest}.\n\nThank"
        " you."
    ),
    Notice.BILL_OVERDUE: noted(
        "Bill {number} was due on {due}, and {amount} of it is not paid. If you cannot pay"
        " it at once, ask us for instalments. If you think that the bill is wrong,"
        " dispute it: what is disputed bears no late fee."
    ),
    Notice.TRADE_SETTLED: noted(
        "Trade {number} of {day} is settled: {delivered} of {ordered} kWh were delivered,"
        " for {amount}."
    ),
    Notice.AGENT_SILENT: noted(
        "We have heard nothing from your meter {meter} since {since}. Please see whether"
        " its box has power and is on the network. Until it is back, usage is estimated"
        " and nothing can be sold."
    ),
    Notice.BILL_CREDITED: noted(
        "{number} comes to {amount}: there is nothing to pay. What is owed to you is set"
        " against other bills, or added to your balance."
    ),
    Notice.TRADE_PAID: noted("Trade {number} settled: {amount}"),
    Notice.DISPUTE_DECIDED: noted(
        "Your dispute {number} is decided. The decision and its reasons are in your"
        " account."
    ),
}
_SHORT: Final[Mapping[Notice, tuple[str, ...]]] = {
    Notice.BILL_ISSUED: (
        noted("Bill {number}, {begin} to {end}: {amount}, due {due}. Check: {hash}"),
        noted("Bill {number}: {amount}, due {due}. Check: {hash}"),
        noted("Bill {number}: {amount}, due {due}"),
    ),
    Notice.PAYMENT_RECEIVED: (
        noted("Received {amount} for bill {number}. Still to pay: {rest}. Thank you."),
        noted("Bill {number}: received {amount}, rest {rest}"),
        noted("Bill {number}: received {amount}"),
    ),
    Notice.BILL_OVERDUE: (
        noted(
            "Bill {number} was due {due}: {amount} is not paid. Ask for instalments."
        ),
        noted("Bill {number} overdue: {amount}"),
    ),
    Notice.TRADE_SETTLED: (
        noted(
            "Trade {number}, {day}: {delivered} of {ordered} kWh delivered, {amount}"
        ),
        noted("Trade {number} settled: {amount}"),
    ),
    Notice.AGENT_SILENT: (
        noted("Meter {meter}: nothing heard since {since}. Check power and network."),
        noted("Your meter is silent. Check power and network."),
    ),
    Notice.BILL_CREDITED: (noted("Your bill {number}: {amount}"),),
    Notice.TRADE_PAID: (noted("Trade {number} settled: {amount}"),),
    Notice.DISPUTE_DECIDED: (noted("Your dispute {number} is decided"),),
}
"""Each from the longest form to the shortest; the first that is one SMS is sent."""


def notice_text(
    notice: Notice, language: Language, values: Mapping[str, str]
) -> NoticeText:
    """Return a mail; ValueError unless `values` are those of FIELDS."""
    filled = _filled(notice, values)
    words = words_in(language)
    subject = words.say(_SUBJECTS[notice], **filled)
    return NoticeText(subject, words.say(_BODIES[notice], **filled))


def short_text(notice: Notice, language: Language, values: Mapping[str, str]) -> str:
    """Return the longest form that is one SMS; Unrenderable where even the last is longer.

    160 places of the default alphabet, without the accents it lacks; 70 in Hindi.
    """
    filled = _filled(notice, values)
    words = words_in(language)
    for form in _SHORT[notice]:
        text = words.say(form, **filled)
        if language not in UCS2_LANGUAGES:
            text = in_default_alphabet(text)
        if fits(text):
            return text
    bare = in_default_alphabet(f"{filled.get('number', '')} {filled.get('amount', '')}")
    if fits(bare):
        return bare
    raise Unrenderable(Cause.TOO_LARGE, f"no form of {notice} fits one SMS")


def amount_text(language: Language, micro: int, decimals: int, currency: str) -> str:
    """Return money for `values`: micro-units of a currency, with `decimals` as a rule."""
    return micro_money(words_in(language).locale, micro, decimals, currency)


def day_text(language: Language, at: int, zone: str) -> str:
    """Return a day for a mail's values, the month in letters."""
    return day(words_in(language).locale, local(at, zone_of(zone)))


def short_day_text(at: int, zone: str) -> str:
    """Return a day for an SMS's values: 2026-05-01."""
    return iso_day(local(at, zone_of(zone)))


def _filled(notice: Notice, values: Mapping[str, str]) -> dict[str, str]:
    if set(values) != FIELDS[notice]:
        wanted = ", ".join(sorted(FIELDS[notice]))
        raise ValueError(f"{notice} is filled with {wanted}")
    return {name: cleaned(text[:MAX_TEXT]) for name, text in values.items()}
