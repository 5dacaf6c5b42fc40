"""The shapes in which bills are shown over the API, and how they are filled.

This module must never decide who may see a bill.
"""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from meterseal_aggregator.billing.model import BillAct, BillRow, Standing
from meterseal_aggregator.billing.statements import store
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.web.shapes import View
from meterseal_proto.rating.line import Line
from meterseal_proto.rating.statement import Statement
from meterseal_proto.rating.statement_json import read_statement
from meterseal_proto.units import obis_text


class StandingView(View):
    """Where a bill stands, in micro-units; `asked` is what is outstanding and not disputed."""

    state: str
    due_at: int
    paid_micro: int
    late_fees_micro: int
    given_micro: int
    disputed_micro: int
    outstanding_micro: int
    asked_micro: int


class BillView(View):
    """A bill or credit note; amounts in micro-units of `asset`, below 0 where it credits.

    `corrects` is the bill a credit note takes back, `replaces` the one this stands in for.
    A credit note stands nowhere.
    """

    id: int
    number: str
    kind: str
    supply: int
    member: int
    begin: int
    end: int
    asset: str
    amount_micro: int
    corrects: str | None
    replaces: str | None
    rail: str
    issued_at: int
    hash: str
    standing: StandingView | None


class LineView(View):
    """A line: exact figures as fractions "n/d", `amount` in minor units."""

    component: str
    kind: str
    part: str
    quantity: str | None
    unit: str
    price: str | None
    exact: str
    amount: int


class SegmentView(View):
    """A part of the period under one version of the tariff, named by its hash."""

    tariff: str
    begin: int
    end: int
    lines: list[LineView]


class UsageView(View):
    """What a register moved, in Wh or litres; None where its usage is private."""

    meter: str
    register_code: Annotated[str, Field(serialization_alias="register")]
    begin: int
    end: int
    first: int | None
    last: int | None
    quantity: int | None
    estimated: int


class ActView(View):
    """Something done to a bill."""

    act: str
    amount_micro: int
    at: int
    note: str


class BillDetail(BillView):
    """A bill with its lines, usage and acts; `minor` decimals of the lines' amounts.

    `salt` opens the hash in the log: SHA-256 over a domain, salt and the statement's bytes
    (`.json`). None where it was erased.
    """

    minor: int
    known_at: int
    final: bool
    salt: str | None
    usage: list[UsageView]
    segments: list[SegmentView]
    acts: list[ActView]


class PreviewView(View):
    """What would be billed now; nothing was written. `end` is a midnight at most."""

    supply: int
    begin: int
    end: int
    asset: str
    amount_micro: int
    minor: int
    usage: list[UsageView]
    segments: list[SegmentView]


class WaitView(View):
    """A supply whose cycle is over and that has no bill yet, with the cause."""

    id: int
    supply: int
    begin: int
    cause: str
    detail: str
    at: int
    again_at: int


async def views(tx: Transaction, bills: Iterable[BillRow]) -> list[BillView]:
    """Return bills with where they stand, in order."""
    rows = list(bills)
    named = await store.numbers_of(
        tx, (one.corrects or one.replaces or 0 for one in rows)
    )
    standings = await store.standings(tx, (one.id for one in rows))
    return [_view(one, named, standings.get(one.id)) for one in rows]


def _view(bill: BillRow, named: dict[int, str], standing: Standing | None) -> BillView:
    return BillView(
        id=bill.id,
        number=bill.number,
        kind=bill.kind.value,
        supply=bill.supply,
        member=bill.member,
        begin=bill.begin,
        end=bill.end,
        asset=bill.asset,
        amount_micro=bill.amount,
        corrects=named.get(bill.corrects or 0),
        replaces=named.get(bill.replaces or 0),
        rail=bill.rail.value,
        issued_at=bill.issued_at,
        hash=bill.hash.hex(),
        standing=None if standing is None else _standing(standing),
    )


async def detail(tx: Transaction, bill: BillRow) -> BillDetail:
    """Return a bill with all there is of it."""
    (view,) = await views(tx, [bill])
    statement = read_statement(bill.document)
    acts = await store.acts_of(tx, bill.id)
    return BillDetail(
        **view.model_dump(),
        minor=statement.minor,
        known_at=bill.known_at,
        final=statement.final,
        salt=None if bill.salt is None else bill.salt.hex(),
        usage=usage_views(statement),
        segments=segment_views(statement),
        acts=[_act(one) for one in acts],
    )


def _standing(one: Standing) -> StandingView:
    return StandingView(
        state=one.state.value,
        due_at=one.due_at,
        paid_micro=one.paid,
        late_fees_micro=one.late_fees,
        given_micro=one.given,
        disputed_micro=one.disputed,
        outstanding_micro=one.outstanding,
        asked_micro=one.asked,
    )


def _act(one: BillAct) -> ActView:
    return ActView(act=one.act.value, amount_micro=one.amount, at=one.at, note=one.note)


def usage_views(statement: Statement) -> list[UsageView]:
    """Return what a statement stands on."""
    return [
        UsageView(
            meter=one.meter.hex(),
            register_code=obis_text(one.register),
            begin=one.begin,
            end=one.end,
            first=one.first,
            last=one.last,
            quantity=one.quantity,
            estimated=one.estimated,
        )
        for one in statement.usage
    ]


def segment_views(statement: Statement) -> list[SegmentView]:
    """Return a statement's lines, part by part."""
    return [
        SegmentView(
            tariff=one.tariff.hex(),
            begin=one.begin,
            end=one.end,
            lines=[_line(line) for line in one.lines],
        )
        for one in statement.segments
    ]


def _line(line: Line) -> LineView:
    return LineView(
        component=line.component,
        kind=line.kind.value,
        part=line.part,
        quantity=None if line.quantity is None else str(line.quantity),
        unit=line.unit.value,
        price=None if line.price is None else str(line.price),
        exact=str(line.exact),
        amount=line.amount,
    )
