"""A request becomes a sheet: every word and number of a bill, in the member's language.

This module must never compute a charge; it adds up what the document's lines say.
"""

from datetime import tzinfo
from typing import Final

from meterseal_aggregator.billing.rendering import charges, readings
from meterseal_aggregator.billing.rendering.numerals import (
    MICRO,
    day,
    local,
    micro_money,
    money,
    plain,
    zone_of,
)
from meterseal_aggregator.billing.rendering.request import RenderRequest
from meterseal_aggregator.billing.rendering.sheet import Fact, Section, Sheet
from meterseal_aggregator.billing.rendering.spans import period_text
from meterseal_aggregator.billing.rendering.words import Words, words_in
from meterseal_proto.rating.statement import Statement, StatementKind

SHORT_HEX: Final = 16
"""Digits of a hash that name a tariff to a reader; the document has all 64."""


def compose(request: RenderRequest) -> Sheet:
    """Return the sheet of a request that `accepted` has let through."""
    words, statement = words_in(request.language), request.statement
    zone = zone_of(statement.zone)
    return Sheet(
        words=words,
        title=_title(words, statement),
        issuer=request.names.issuer,
        recipient=(request.names.member, *request.names.address),
        facts=_facts(words, request, zone),
        headline=_headline(words, request),
        tables=(
            *readings.tables(words, statement, zone),
            *charges.tables(words, statement, zone),
        ),
        sums=charges.sums(words, statement),
        standing=_standing(words, request),
        charts=readings.charts(words, request, zone),
        sections=(*_remarks(words, statement), _checking(words, request)),
    )


def _title(words: Words, statement: Statement) -> str:
    if statement.kind is StatementKind.CREDIT_NOTE:
        return words.say("Credit note {number}", number=statement.number)
    if statement.final:
        return words.say("Final bill {number}", number=statement.number)
    return words.say("Bill {number}", number=statement.number)


def _facts(words: Words, request: RenderRequest, zone: tzinfo) -> tuple[Fact, ...]:
    statement, locale = request.statement, words.locale
    point = request.names.meter or str(statement.meter_point)
    span = period_text(words, statement.begin, statement.end, zone)
    found = [
        Fact(words.say("Number"), statement.number),
        Fact(words.say("Issued on"), day(locale, local(statement.issued_at, zone))),
        Fact(words.say("Period"), span),
        Fact(words.say("Meter point"), point),
        Fact(words.say("Member number"), str(statement.member)),
    ]
    if statement.kind is StatementKind.BILL:
        due = day(locale, local(statement.due_at, zone))
        found.insert(2, Fact(words.say("Due on"), due))
    if statement.corrects:
        found.append(Fact(words.say("Takes back bill"), statement.corrects))
    if statement.replaces:
        found.append(Fact(words.say("Stands in for bill"), statement.replaces))
    return tuple(found)


def _headline(words: Words, request: RenderRequest) -> Fact:
    statement, standing = request.statement, request.standing
    asks = statement.kind is StatementKind.BILL and statement.total > 0
    if standing is not None and asks:
        asked = standing.outstanding - standing.disputed
        text = micro_money(words.locale, asked, statement.minor, statement.currency)
        return Fact(words.say("Still to pay for this bill"), text, plain(asked, MICRO))
    total = statement.total
    label = words.say("Owed to you") if total < 0 else words.say("To pay")
    text = money(words.locale, abs(total), statement.minor, statement.currency)
    return Fact(label, text, plain(abs(total), statement.minor))


def _standing(words: Words, request: RenderRequest) -> tuple[Fact, ...]:
    standing, statement = request.standing, request.statement
    if standing is None:
        return ()

    def fact(label: str, amount: int) -> Fact:
        text = micro_money(words.locale, amount, statement.minor, statement.currency)
        return Fact(label, text, plain(amount, MICRO))

    asked = standing.outstanding - standing.disputed + standing.arrears
    rows = (
        (words.say("Paid so far"), standing.paid),
        (words.say("Late fees"), standing.late_fees),
        (words.say("Disputed, not asked for now"), standing.disputed),
        (words.say("Owed from other bills"), standing.arrears),
    )
    found = [fact(label, amount) for label, amount in rows if amount]
    return (*found, fact(words.say("To pay in all"), asked))


def _remarks(words: Words, statement: Statement) -> tuple[Section, ...]:
    found = []
    if any(row.estimated for row in statement.usage):
        found.append(
            words.say(
                "Where the meter told nothing, usage was estimated. If readings arrive"
                " later, this bill is taken back and a new one is issued."
            )
        )
    if any(row.proof for row in statement.usage):
        found.append(
            words.say(
                "Private readings are shown to nobody: your own device computed the"
                " amount and proved it."
            )
        )
    if statement.kind is StatementKind.CREDIT_NOTE:
        found.append(
            words.say("This credit note takes back every line of the bill it names.")
        )
    return (Section(words.say("Remarks"), tuple(found)),) if found else ()


def _checking(words: Words, request: RenderRequest) -> Section:
    statement = request.statement
    tariffs = dict.fromkeys(row.tariff.hex()[:SHORT_HEX] for row in statement.segments)
    salt = words.say("erased") if request.salt is None else request.salt.hex()
    return Section(
        words.say("How to check this bill"),
        (
            words.say(
                "Everything on this page is computed from a document whose fingerprint"
                " stands in a public log. Ask for the evidence of this bill and run:"
            ),
            "meterseal-verify bill.zip",
            words.say(
                "It recomputes every line from the readings and the tariff, and needs"
                " neither us nor our computers."
            ),
        ),
        (
            Fact(words.say("Fingerprint (SHA-256)"), request.hash.hex()),
            Fact(words.say("Salt"), salt),
            Fact(words.say("Network"), statement.network.hex()[:SHORT_HEX]),
            Fact(words.say("Tariff"), ", ".join(tariffs)),
        ),
    )
