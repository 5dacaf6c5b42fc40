"""The lines of a statement as tables: what was charged for, grouped, and the sums.

This module must never add what is not a line: the groups' sums come to the total.
"""

from datetime import tzinfo
from enum import Enum
from typing import Final

from meterseal_aggregator.billing.rendering.numerals import (
    figure,
    money,
    plain,
    price,
    quantity,
)
from meterseal_aggregator.billing.rendering.sheet import (
    Column,
    Fact,
    Role,
    Row,
    Table,
)
from meterseal_aggregator.billing.rendering.spans import period_text
from meterseal_aggregator.billing.rendering.words import Words, noted
from meterseal_proto.rating.line import Line, LineKind, Unit
from meterseal_proto.rating.statement import Segment, Statement

PERCENT: Final = 100


class Group(Enum):
    """What lines stand together under, in the order they are printed."""

    USAGE = noted("Usage")
    NETWORK = noted("Network")
    STANDING = noted("Standing charges")
    TAXES = noted("Taxes and levies")
    ROUNDING = noted("Rounding")


_GROUPS: Final = {
    LineKind.FIXED: Group.STANDING,
    LineKind.DEMAND: Group.STANDING,
    LineKind.MINIMUM: Group.STANDING,
    LineKind.MAXIMUM: Group.STANDING,
    LineKind.WHEELING: Group.NETWORK,
    LineKind.LOSSES: Group.NETWORK,
    LineKind.LEVY: Group.TAXES,
    LineKind.TAX: Group.TAXES,
    LineKind.ROUNDING: Group.ROUNDING,
}
_KINDS: Final = {
    LineKind.ENERGY: noted("Energy"),
    LineKind.FREE: noted("Free allowance"),
    LineKind.FIXED: noted("Fixed charge"),
    LineKind.DEMAND: noted("Peak demand"),
    LineKind.MINIMUM: noted("Up to the minimum"),
    LineKind.MAXIMUM: noted("Above the maximum, taken off"),
    LineKind.EXPORT: noted("Fed into the grid"),
    LineKind.TRADED: noted("Bought from neighbours"),
    LineKind.WHEELING: noted("Use of the lines"),
    LineKind.LOSSES: noted("Losses of the lines"),
    LineKind.LEVY: noted("Levy"),
    LineKind.TAX: noted("Tax"),
    LineKind.ROUNDING: noted("Rounding"),
}
_UNITS: Final = {
    Unit.KWH: noted("kWh"),
    Unit.M3: noted("m³"),
    Unit.KW: noted("kW"),
    Unit.DAY: noted("days"),
    Unit.MONTH: noted("months"),
    Unit.PERCENT: noted("%"),
}


def tables(words: Words, statement: Statement, zone: tzinfo) -> tuple[Table, ...]:
    """Return a table of lines for each segment, named by its span where there are more."""
    several = len(statement.segments) > 1
    return tuple(
        Table(
            _caption(words, segment, zone) if several else words.say("Charges"),
            _columns(words, statement.currency),
            tuple(_rows(words, statement, segment)),
        )
        for segment in statement.segments
    )


def sums(words: Words, statement: Statement) -> tuple[Fact, ...]:
    """Return what each group comes to and, last, the total."""
    found = {group: 0 for group in Group if _within(statement.lines, group)}
    for line in statement.lines:
        found[group_of(line)] += line.amount
    rows = [(words.say(group.value), amount) for group, amount in found.items()]
    return tuple(
        Fact(
            label,
            money(words.locale, amount, statement.minor, statement.currency),
            plain(amount, statement.minor),
        )
        for label, amount in (*rows, (words.say("Total"), statement.total))
    )


def group_of(line: Line) -> Group:
    """Return the group that a line stands in."""
    return _GROUPS.get(line.kind, Group.USAGE)


def kind_text(words: Words, kind: LineKind) -> str:
    """Return what a kind of line is called."""
    return words.say(_KINDS[kind])


def _within(lines: tuple[Line, ...], group: Group) -> list[Line]:
    return [line for line in lines if group_of(line) is group]


def _caption(words: Words, segment: Segment, zone: tzinfo) -> str:
    span = period_text(words, segment.begin, segment.end, zone)
    return words.say("Charges, {period}", period=span)


def _columns(words: Words, currency: str) -> tuple[Column, ...]:
    return (
        Column(words.say("What for"), 46),
        Column(words.say("Quantity"), 20, number=True),
        Column(words.say("Price ({currency})", currency=currency), 16, number=True),
        Column(words.say("Amount ({currency})", currency=currency), 18, number=True),
    )


def _rows(words: Words, statement: Statement, segment: Segment) -> list[Row]:
    rows = []
    for group in Group:
        lines = _within(segment.lines, group)
        if lines:
            rows.append(Row((words.say(group.value),), Role.GROUP))
            rows += [_row(words, statement.minor, line) for line in lines]
    amount = figure(
        words.locale, sum(line.amount for line in segment.lines), statement.minor
    )
    return [*rows, Row((words.say("Sum"), "", "", amount), Role.SUM)]


def _row(words: Words, minor: int, line: Line) -> Row:
    named = ", ".join(text for text in (line.component, line.part) if text)
    kind = kind_text(words, line.kind)
    amount = figure(words.locale, line.amount, minor)
    return Row((f"{kind}: {named}", *_counted(words, minor, line), amount))


def _counted(words: Words, minor: int, line: Line) -> tuple[str, str]:
    """Return quantity and price; of a share, whose price is one percent, its base instead."""
    if line.quantity is None:
        return "", "" if line.price is None else price(words.locale, line.price, minor)
    counted = quantity(words.locale, line.quantity)
    if line.unit is Unit.PERCENT and line.price is not None:
        base = price(words.locale, line.price * PERCENT, minor)
        return words.say("{share} of {amount}", share=f"{counted} %", amount=base), ""
    unit = words.say(_UNITS[line.unit]) if line.unit in _UNITS else ""
    asked = "" if line.price is None else price(words.locale, line.price, minor)
    return f"{counted} {unit}".strip(), asked
