"""What members are told, in their language: a mail's subject and body, and one SMS.

    values = {"number": "2026-000042", "amount": amount_text(...), "due": ..., ...}
    text = notice_text(Wording.BILL_ISSUED, Language.SW, values)
    sms = short_text(Wording.BILL_ISSUED, Language.SW, values)

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


class Wording(StrEnum):
    """How something is said to somebody. The values each takes are in `FIELDS`."""

    BILL_ISSUED = "bill-issued"
    BILL_OVERDUE = "bill-overdue"
    AGENT_SILENT = "agent-silent"
    BILL_CREDITED = "bill-credited"
    """A bill or credit note that asks for nothing."""
    TRADE_PAID = "trade-paid"
    """A settled trade, of which only the money is told."""
    DISPUTE_DECIDED = "dispute-decided"


FIELDS: Final[Mapping[Wording, frozenset[str]]] = {
    Wording.BILL_ISSUED: frozenset({"number", "amount", "begin", "end", "due", "hash"}),
    Wording.BILL_OVERDUE: frozenset({"number", "amount", "due"}),
    Wording.AGENT_SILENT: frozenset({"meter", "since"}),
    Wording.BILL_CREDITED: frozenset({"number", "amount"}),
    Wording.TRADE_PAID: frozenset({"number", "amount"}),
    Wording.DISPUTE_DECIDED: frozenset({"number"}),
}
"""What each is filled with. `number` is a bill's, trade's or dispute's; `amount` money with
its code; `begin` and `end` the first and last day, `due` and `since` days; `hash` the
bill's fingerprint, or its beginning."""


@dataclass(frozen=True, slots=True)
class NoticeText:
    """A mail: one line of subject, and a body of paragraphs."""

    subject: str
    body: str


_SUBJECTS: Final = {
    Wording.BILL_ISSUED: noted("Your bill {number}: {amount}"),
    Wording.BILL_OVERDUE: noted("Bill {number} is overdue"),
    Wording.AGENT_SILENT: noted("Your meter {meter} is silent"),
    Wording.BILL_CREDITED: noted("Your bill {number}: {amount}"),
    Wording.TRADE_PAID: noted("Trade {number} is settled"),
    Wording.DISPUTE_DECIDED: noted("Your dispute {number} is decided"),
}
_BODIES: Final = {
    Wording.BILL_ISSUED: noted(
        "Your bill {number} for {begin} to {end} comes to {amount}. Please pay it by"
        " {due}.\n\nYou can check every line of it yourself: its fingerprint in the public"
        " log is {hash}."
    ),
    Wording.BILL_OVERDUE: noted(
        "Bill {number} was due on {due}, and {amount} of it is not paid. If you cannot pay"
        " it at once, ask us for instalments. If you think that the bill is wrong,"
        " dispute it: what is disputed bears no late fee."
    ),
    Wording.AGENT_SILENT: noted(
        "We have heard nothing from your meter {meter} since {since}. Please see whether"
        " its box has power and is on the network. Until it is back, usage is estimated"
        " and nothing can be sold."
    ),
    Wording.BILL_CREDITED: noted(
        "{number} comes to {amount}: there is nothing to pay. What is owed to you is set"
        " against other bills, or added to your balance."
    ),
    Wording.TRADE_PAID: noted("Trade {number} settled: {amount}"),
    Wording.DISPUTE_DECIDED: noted(
        "Your dispute {number} is decided. The decision and its reasons are in your"
        " account."
    ),
}
_SHORT: Final[Mapping[Wording, tuple[str, ...]]] = {
    Wording.BILL_ISSUED: (
        noted("Bill {number}, {begin} to {end}: {amount}, due {due}. Check: {hash}"),
        noted("Bill {number}: {amount}, due {due}. Check: {hash}"),
        noted("Bill {number}: {amount}, due {due}"),
    ),
    Wording.BILL_OVERDUE: (
        noted(
            "Bill {number} was due {due}: {amount} is not paid. Ask for instalments."
        ),
        noted("Bill {number} overdue: {amount}"),
    ),
    Wording.AGENT_SILENT: (
        noted("Meter {meter}: nothing heard since {since}. Check power and network."),
        noted("Your meter is silent. Check power and network."),
    ),
    Wording.BILL_CREDITED: (noted("Your bill {number}: {amount}"),),
    Wording.TRADE_PAID: (noted("Trade {number} settled: {amount}"),),
    Wording.DISPUTE_DECIDED: (noted("Your dispute {number} is decided"),),
}
"""Each from the longest form to the shortest; the first that is one SMS is sent."""


def notice_text(
    wording: Wording, language: Language, values: Mapping[str, str]
) -> NoticeText:
    """Return a mail; ValueError unless `values` are those of FIELDS."""
    filled = _filled(wording, values)
    words = words_in(language)
    subject = words.say(_SUBJECTS[wording], **filled)
    return NoticeText(subject, words.say(_BODIES[wording], **filled))


def short_text(wording: Wording, language: Language, values: Mapping[str, str]) -> str:
    """Return the longest form that is one SMS; Unrenderable where even the last is longer.

    160 places of the default alphabet, without the accents it lacks; 70 in Hindi.
    """
    filled = _filled(wording, values)
    words = words_in(language)
    for form in _SHORT[wording]:
        text = words.say(form, **filled)
        if language not in UCS2_LANGUAGES:
            text = in_default_alphabet(text)
        if fits(text):
            return text
    bare = in_default_alphabet(f"{filled.get('number', '')} {filled.get('amount', '')}")
    if fits(bare):
        return bare
    raise Unrenderable(Cause.TOO_LARGE, f"no form of {wording} fits one SMS")


def amount_text(language: Language, micro: int, decimals: int, currency: str) -> str:
    """Return money for `values`: micro-units of a currency, with `decimals` as a rule."""
    return micro_money(words_in(language).locale, micro, decimals, currency)


def day_text(language: Language, at: int, zone: str) -> str:
    """Return a day for a mail's values, the month in letters."""
    return day(words_in(language).locale, local(at, zone_of(zone)))


def short_day_text(at: int, zone: str) -> str:
    """Return a day for an SMS's values: 2026-05-01."""
    return iso_day(local(at, zone_of(zone)))


def _filled(wording: Wording, values: Mapping[str, str]) -> dict[str, str]:
    if set(values) != FIELDS[wording]:
        wanted = ", ".join(sorted(FIELDS[wording]))
        raise ValueError(f"{wording} is filled with {wanted}")
    return {name: cleaned(text[:MAX_TEXT]) for name, text in values.items()}
