"""The pages of who is inside: figures and words put together. Pure.

Each function returns a whole page's bytes. It must never show what its figures do not say.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from xml.etree.ElementTree import Element

from meterseal_agent.outbox.model import Chain
from meterseal_agent.resident import words
from meterseal_agent.resident.figures import BillShown, DayShown, Went, by_month
from meterseal_agent.resident.markup import Node, bar, e, framed, table
from meterseal_proto.tariff import LocalTime
from meterseal_proto.units import RegisterId


@dataclass(frozen=True, slots=True)
class Usage:
    """A register's usage by local date, and whether it is private; `today` is a date."""

    chain: Chain
    serial: str
    private: bool
    usage: Mapping[date, int] = field(repr=False)
    today: date


@dataclass(frozen=True, slots=True)
class Disclosed:
    """What left the house of a private register: its days, newest first, and its bills.

    `totals` tells whether its days enter a community's total. `netted` has, by when a day
    begins, how many of its slots were asked about for netting and in how many usage reached
    what was asked.
    """

    of: Usage
    days: Sequence[DayShown]
    bills: Sequence[BillShown]
    totals: bool = False
    netted: Mapping[int, tuple[int, int]] = field(default_factory=dict)


def start(found: Sequence[Usage], wrong_tries: int) -> bytes:
    """Return the first page: what was used lately."""
    warning = e("p", words.wrong_tries(wrong_tries), class_="warn", role="alert")
    return framed(
        words.USAGE,
        "/",
        warning if wrong_tries else None,
        *(_card(one) for one in found),
        e("p", words.PRIVATE_NOTE, class_="soft"),
    )


def _card(one: Usage) -> Element:
    register, usage, today = one.chain.register, one.usage, one.today
    yesterday = date.fromordinal(today.toordinal() - 1)
    months = by_month(usage)
    this = today.replace(day=1)
    last = date.fromordinal(this.toordinal() - 1).replace(day=1)
    rows: list[Node] = []
    for name, used, style in (
        (words.TODAY_SO_FAR, usage.get(today), "big"),
        (words.YESTERDAY, usage.get(yesterday), ""),
        (words.THIS_MONTH, months.get(this) if one.private else None, ""),
        (words.LAST_MONTH, months.get(last) if one.private else None, ""),
    ):
        if used is not None:
            shown = words.amount(register, used)
            rows += [e("dt", name), e("dd", shown, **_styled(style))]
    more: Node = e("p", words.OPEN_SHORT, class_="soft")
    if one.private:
        path = f"/usage/{one.chain.id}"
        more = e("p", e("a", words.MONTHS, href=path), " · ", _month_link(one, this))
    body = e("dl", *rows) if rows else e("p", words.NOTHING_YET)
    return e("section", _head(one), body, more)


def _styled(style: str) -> dict[str, str]:
    return {"class_": style} if style else {}


def _head(one: Usage) -> Element:
    name = words.register_name(one.chain.register)
    serial = e("small", words.meter_name(one.serial), class_="soft")
    return e("h2", name, " ", serial)


def _month_link(one: Usage, first: date) -> Element:
    path = f"/usage/{one.chain.id}/{first:%Y-%m}"
    return e("a", words.month(first), href=path)


def months(one: Usage) -> bytes:
    """Return the page of a register's months."""
    found = by_month(one.usage)
    rows = [
        (_month_link(one, first), found[first]) for first in sorted(found, reverse=True)
    ]
    shown = _bars(words.MONTH, rows, one.chain.register)
    note = e("p", words.NOT_KEPT, class_="soft")
    return framed(words.MONTHS, "", _head(one), shown, note)


def month(one: Usage, first: date, days: Sequence[DayShown]) -> bytes:
    """Return the page of one month's days; told ones lead to their hours."""
    told = {day.on for day in days}
    rows = [
        (_day_link(one, on) if on in told else words.day(on), one.usage[on])
        for on in sorted(one.usage, reverse=True)
        if on.replace(day=1) == first
    ]
    shown = _bars(words.DAY, rows, one.chain.register)
    back = e("p", e("a", words.MONTHS, href=f"/usage/{one.chain.id}"))
    return framed(words.month(first), "", _head(one), shown, back)


def _day_link(one: Usage, on: date) -> Element:
    return e("a", words.day(on), href=f"/usage/{one.chain.id}/{on:%Y-%m-%d}")


def day(one: Usage, on: date, hours: Sequence[tuple[int, int, int]]) -> bytes:
    """Return the page of one day: (hour, usage, slots without a reading) each."""
    register = one.chain.register
    most = max((used for _, used, _ in hours), default=0)
    rows: list[tuple[Node, ...]] = [
        (
            words.hour(hour),
            words.missing(missing) or bar(used, most, words.amount(register, used)),
            words.amount(register, used),
        )
        for hour, used, missing in hours
    ]
    heads = (words.HOUR, words.BAR, f"{words.USED}#")
    back = e("p", _month_link(one, on.replace(day=1)))
    shown = table(words.BARS, heads, rows)
    return framed(words.day(on), "", _head(one), shown, back)


def _bars(what: str, rows: Sequence[tuple[Node, int]], register: RegisterId) -> Element:
    if not rows:
        return e("p", words.NOTHING_YET)
    most = max(used for _, used in rows)
    heads = (what, words.BAR, f"{words.USED}#")
    found: list[tuple[Node, ...]] = [
        (name, bar(used, most, shown), shown)
        for name, used in rows
        for shown in [words.amount(register, used)]
    ]
    return table(words.BARS, heads, found)


def bills(found: Sequence[Disclosed], clock: LocalTime) -> bytes:
    """Return the page of all bills, newest first."""
    sections: list[Node] = []
    for one in found:
        rows: list[tuple[Node, ...]] = [
            (
                e("a", _period(bill, clock), href=_bill_path(one, number)),
                words.revision(bill.bill.statement.revision),
                words.money(bill.amount, bill.tariff.currency),
            )
            for number, bill in reversed([*enumerate(one.bills, 1)])
        ]
        heads = (words.PERIOD, words.NOTE, f"{words.TOTAL}#")
        sections += [_head(one.of), table("", heads, rows)] if rows else []
    if not sections:
        sections = [e("p", words.NO_BILLS)]
    return framed(words.BILLS, "/bills", *sections)


def _bill_path(one: Disclosed, number: int) -> str:
    return f"/bills/{one.of.chain.id}/{number}"


def _period(bill: BillShown, clock: LocalTime) -> str:
    said = bill.bill.statement
    return words.period(clock(said.begin), clock(said.end))


def bill(one: Disclosed, number: int, clock: LocalTime) -> bytes:
    """Return the page of bill `number`, from 1: its lines, and how to count it again."""
    shown = one.bills[number - 1]
    currency, register = shown.tariff.currency, one.of.chain.register
    rows: list[tuple[Node, ...]] = [
        (
            words.price(line.price, currency, register),
            words.bands(line.bands),
            words.exact(register, line.used),
            words.exact_money(line.amount, currency),
        )
        for line in shown.lines
    ]
    heads = (words.PRICE, words.WHEN, f"{words.USED}#", f"{words.COSTS}#")
    used = words.exact(register, sum(line.used for line in shown.lines))
    foot = (words.TOTAL, "", used, words.money(shown.amount, currency))
    tariff = f"{words.TARIFF}: {shown.tariff.id}"
    exactly = f"{words.ROUNDING} {words.exact_money(shown.amount, currency)}"
    return framed(
        _period(shown, clock),
        "",
        _head(one.of),
        e("p", words.money(shown.amount, currency), class_="big"),
        table(tariff, heads, rows, foot) if rows else e("p", tariff),
        e("p", exactly, class_="soft"),
        _verdict(shown),
        *(_count_again(one, number) if rows else ()),
    )


def _verdict(shown: BillShown) -> Element:
    if shown.right is None:
        return e("p", words.TOO_OLD, class_="soft")
    if shown.right:
        return e("p", words.RIGHT)
    return e("p", words.WRONG, class_="warn", role="alert")


def openings_name(chain: int, number: int) -> str:
    """Return the name of the file of a bill's openings."""
    return f"openings-{chain}-{number}.json"


def _count_again(one: Disclosed, number: int) -> tuple[Element, ...]:
    name = openings_name(one.of.chain.id, number)
    link = e("a", words.DOWNLOAD, href=f"{_bill_path(one, number)}/openings.json")
    return (
        e("h2", words.COUNT_AGAIN),
        e("p", words.COUNT_HOW),
        e("code", words.COUNT_COMMAND.format(file=name)),
        e("p", link),
        e("p", words.DOWNLOAD_WARNING, class_="warn"),
    )


def others(
    private: Sequence[Disclosed], open_: Sequence[Usage], clock: LocalTime
) -> bytes:
    """Return the page of what left the house."""
    sections = [node for one in private for node in _others(one, clock)]
    if open_:
        names = [
            e("li", f"{words.register_name(o.chain.register)} ({o.serial})")
            for o in open_
        ]
        everything = e("p", words.OTHERS_EVERYTHING, class_="warn")
        sections += [e("h2", words.OTHERS_OPEN), everything, e("ul", *names)]
    alive = e("p", words.OTHERS_ALIVE, class_="soft")
    intro = e("p", words.OTHERS_INTRO)
    return framed(words.OTHERS, "/others", intro, *sections, alive)


def _others(one: Disclosed, clock: LocalTime) -> list[Element]:
    days: list[tuple[Node, ...]] = [
        (words.day(day.on), _left(day, clock), words.silent(day)) for day in one.days
    ]
    bills = [
        e("li", f"{_period(b, clock)}: {words.money(b.amount, b.tariff.currency)}")
        for b in reversed(one.bills)
    ]
    table_of_days = table("", (words.DAY, words.WHAT, f"{words.SILENT}#"), days)
    return [
        _head(one.of),
        e("h3", words.OTHERS_DAYS),
        e("p", words.OTHERS_DAY),
        table_of_days if days else e("p", words.NOTHING_YET),
        e("p", words.OTHERS_FINE, class_="soft"),
        e("h3", words.OTHERS_BILLS),
        e("p", words.OTHERS_BILL) if bills else e("p", words.NO_BILLS),
        e("ul", *bills),
        e("h3", words.OTHERS_NETTED),
        _netted(one),
        e("h3", words.OTHERS_TOTALS),
        e("p", words.OTHERS_IN if one.totals else words.OTHERS_OUT),
    ]


def _netted(one: Disclosed) -> Element:
    """Return what was told of slots in which neighbours' energy was delivered."""
    rows: list[tuple[Node, ...]] = [
        (words.day(day.on), str(asked), str(reached))
        for day in one.days
        for asked, reached in [one.netted.get(day.begin, (0, 0))]
        if asked
    ]
    heads = (words.DAY, f"{words.SLOTS_ASKED}#", f"{words.SLOTS_REACHED}#")
    told = table(words.OTHERS_NET, heads, rows)
    return told if rows else e("p", words.NOTHING_NETTED)


def _left(day: DayShown, clock: LocalTime) -> Node:
    shown = words.left(day)
    if day.went is Went.WAITS:
        shown = f"{shown}; {words.leaves(clock(day.leaves_at))}"
    return shown
