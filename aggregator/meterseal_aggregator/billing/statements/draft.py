"""From usage to a statement that has all but its number: pure, so that a worker can do it.

    made = [drafted(wish) for wish in wishes]      # Draft or Refused

Each version of the tariff in the period is a segment, rated alone as its part of the cycle,
and hands what is carried to the next. A draft's document has a number of zeros in its place:
numbers are given in the transaction that issues. This module must never let a statement
pass that asks for more than `guard` finds by itself.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final

from meterseal_aggregator.billing.model import Cause, Refused, micro
from meterseal_aggregator.billing.statements import guard
from meterseal_aggregator.billing.statements.bounds import check_bounds
from meterseal_aggregator.billing.statements.number import number_of
from meterseal_aggregator.billing.statements.posting import Shares, shares
from meterseal_aggregator.billing.supplies.model import Supply
from meterseal_aggregator.billing.usage import Bought, Metered, Part, load_of
from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.parameters.zone import zone_of
from meterseal_proto.rating.components import Maximum, Minimum, SpanOf
from meterseal_proto.rating.line import NOTHING_CARRIED, Carried
from meterseal_proto.rating.load import Load, Period
from meterseal_proto.rating.price import Unrateable, rate
from meterseal_proto.rating.statement import Segment, Statement, StatementKind, Usage
from meterseal_proto.rating.statement_json import write_statement
from meterseal_proto.rating.tariff import FullTariff
from meterseal_proto.rating.terms import due_at
from meterseal_proto.tariff import LocalTime

SETTLED_S: Final = 60
"""A bill believes what was known a minute ago: who waits for the writer may still write down
what he knew some seconds before, and a bill that had to know it would miss it for ever."""
NO_NUMBER: Final = number_of(0, 1)
"""What stands in a draft where its number will."""
_NUMBER: Final = '"number":"{}"'

Versions = tuple[tuple[int, int, FullTariff], ...]
"""What holds of a tariff, in order: from, to, version."""


@dataclass(frozen=True, slots=True)
class Moment:
    """When and where a bill is made: `known_at` is what usage is believed as of.

    `network` is the hash of its genesis, 32 bytes; times are Unix seconds.
    """

    network: bytes
    known_at: int
    issued_at: int

    @classmethod
    def of(cls, network: bytes, now: int) -> "Moment":
        """Return the moment of what is done now."""
        return cls(network, now - SETTLED_S, now)


@dataclass(frozen=True, slots=True)
class Wish:
    """A bill to be made: a supply's [begin, end) within its cycle, and all it is made of.

    `before` are Wh of neighbours that a bill it stands in for (`replaces`, its number) has
    netted already, `more` what it nets besides; `carried` is what the bill before leaves.
    """

    supply: Supply
    begin: int
    end: int
    cycle: tuple[int, int]
    versions: Versions
    metered: Metered
    before: tuple[Bought, ...] = ()
    more: tuple[Bought, ...] = ()
    carried: Carried = NOTHING_CARRIED
    replaces: str = ""


@dataclass(frozen=True, slots=True)
class Body:
    """What a statement says of a supply's [begin, end), however that came to be known.

    `tariffs` are what holds of its tariff, in order; `replaces` the number of the bill it
    stands in for.
    """

    supply: Supply
    begin: int
    end: int
    tariffs: tuple[FullTariff, ...]
    usage: tuple[Usage, ...]
    segments: tuple[Segment, ...]
    replaces: str = ""


@dataclass(frozen=True, slots=True)
class Draft:
    """A statement without its number; `owed` is what it posts, in micro-units by account.

    `document` is the statement's as it is spelled with NO_NUMBER. `netted` are the Wh of
    neighbours to be retired with it; `amount` is its total in micro-units; `rows` are the register
    rows it stands on, each with its part of the period. `private_bill` is the row id of the
    device's bill, where usage is hidden; `yearly` tells that a line hangs on the year's cost.
    """

    supply: Supply
    begin: int
    end: int
    asset: Asset
    amount: int
    due_at: int
    owed: Shares
    document: bytes
    rows: tuple[tuple[int, int, int], ...]
    netted: tuple[Bought, ...] = ()
    after: Carried = NOTHING_CARRIED
    private_bill: int | None = None
    yearly: bool = False

    def numbered(self, number: str) -> bytes:
        """Return the document with its number in place."""
        return put_number(self.document, number)


def drafted(wish: Wish, moment: Moment) -> Draft | Refused:
    """Return the draft of a wish, or why there is none: UNRATEABLE, CURRENCY, GUARD."""
    try:
        return _drafted(wish, moment)
    except Refused as refused:
        return refused
    except Unrateable as error:
        return Refused(Cause.UNRATEABLE, f"supply {wish.supply.id}: {error}")


def drafts(wishes: Sequence[Wish], moment: Moment) -> list[Draft | Refused]:
    """Return each wish's draft, in order: what a worker process is given."""
    return [drafted(wish, moment) for wish in wishes]


def put_number(document: bytes, number: str) -> bytes:
    """Return a draft's document with a number instead of NO_NUMBER."""
    # No text in the document can hold these bytes: quotes inside a text are escaped.
    blank, real = _NUMBER.format(NO_NUMBER).encode(), _NUMBER.format(number).encode()
    assert document.count(blank) == 1
    return document.replace(blank, real)


def told_by(document: bytes, *, yearly: bool) -> object:
    """Return what a stored statement's segments say, to be compared with another's.

    What the year has cost so far is left out where no line hangs on it: else a correction in
    March would have every bill since then issued anew, of the same lines.
    """
    segments = json.loads(document)["segments"]
    for segment in segments:
        for side in ("before", "after"):
            if not yearly and side in segment:
                segment[side].pop("charged", None)
    found: object = [
        {name: told for name, told in segment.items() if told != {}}
        for segment in segments
    ]
    return found


def after_of(document: bytes) -> Carried:
    """Return what the last segment of a stored statement leaves to the next bill."""
    found = json.loads(document)["segments"][-1].get("after")
    if found is None:
        return NOTHING_CARRIED
    return Carried(**{name: _read(told) for name, told in found.items()})


def _read(told: object) -> Any:  # Any: what its field is, of the two kinds there are
    if isinstance(told, str):
        return Fraction(told)
    assert isinstance(told, list)
    return tuple((name, amount) for name, amount in told)


@lru_cache(maxsize=64)
def local_of(zone: str) -> LocalTime:
    """Return the clock of a zone; the same object each time, so that its days are kept."""
    where = zone_of(zone)
    return lambda at: datetime.fromtimestamp(at, where)


@lru_cache(maxsize=256)
def digest_of(tariff: FullTariff) -> bytes:
    """Return a version's hash; a batch names the same one in each bill."""
    return tariff.hash()


def statement_of(body: Body, moment: Moment) -> Statement:
    """Return the statement of a body, with NO_NUMBER for a number; nothing is checked yet."""
    supply, first = body.supply, body.tariffs[0]
    return Statement(
        network=moment.network,
        number=NO_NUMBER,
        kind=StatementKind.BILL,
        member=supply.member,
        meter_point=supply.meter_point,
        zone=first.zone,
        begin=body.begin,
        end=body.end,
        currency=first.currency,
        minor=first.minor,
        rail=supply.terms.rail,
        known_at=moment.known_at,
        issued_at=moment.issued_at,
        due_at=due_at(body.tariffs[-1].terms, moment.issued_at),
        usage=body.usage,
        segments=body.segments,
        final=body.end == supply.to_at,
        replaces=body.replaces,
    )


def draft_of(body: Body, statement: Statement) -> Draft:
    """Return the draft of a body's statement that the guard let pass; Refused (GUARD).

    Its `rows`, `netted` and `private_bill` are for who made it.
    """
    owed = shares(statement.lines, statement.minor)
    check_bounds(statement, owed)
    return Draft(
        supply=body.supply,
        begin=body.begin,
        end=body.end,
        asset=Asset(statement.currency),
        amount=micro(statement.total, statement.minor),
        due_at=statement.due_at,
        owed=owed,
        document=write_statement(statement),
        rows=(),
        after=statement.segments[-1].after,
        yearly=any(map(on_the_year, body.tariffs)),
    )


def _drafted(wish: Wish, moment: Moment) -> Draft:
    first = _one_kind(wish)
    load = load_of(wish.metered, (*wish.before, *wish.more))
    local = local_of(first.zone)
    body = Body(
        wish.supply,
        wish.begin,
        wish.end,
        tuple(tariff for _, _, tariff in wish.versions),
        _usages(wish.metered, load),
        _segments(wish, load, local),
        wish.replaces,
    )
    statement = statement_of(body, moment)
    guard.check(statement, wish.versions, load, local)
    rows = tuple((part.row, part.begin, part.end) for part in wish.metered.parts)
    return replace(draft_of(body, statement), rows=rows, netted=wish.more)


def on_the_year(tariff: FullTariff) -> bool:
    """Tell whether a line of a tariff hangs on what the year has cost so far."""
    return any(
        isinstance(one, Minimum | Maximum) and one.per is SpanOf.YEAR
        for one in tariff.components
    )


def _one_kind(wish: Wish) -> FullTariff:
    """Return the first version, if all of them bill in one currency and by one clock."""
    first = wish.versions[0][2]
    for _, _, other in wish.versions[1:]:
        same = (other.currency, other.minor, other.zone, other.commodity)
        if same != (first.currency, first.minor, first.zone, first.commodity):
            raise Refused(
                Cause.CURRENCY,
                f"tariff {first.id!r} changes its currency, zone or commodity within the"
                f" cycle of supply {wish.supply.id}: end the supply where it does",
            )
    return first


def _segments(wish: Wish, load: Load, local: LocalTime) -> tuple[Segment, ...]:
    """Rate each version's part; parts lie on the load's slots, as the cycle then does."""
    cycle = (_up(wish.cycle[0], load), _up(wish.cycle[1], load))
    carried, found = wish.carried, []
    for from_at, to_at, tariff in wish.versions:
        begin = max(load.first, _up(from_at, load))
        end = min(load.end, _up(to_at, load))
        if begin >= end:
            continue
        rated = rate(
            tariff, _slots(load, begin, end), Period(begin, end, *cycle), local, carried
        )
        found.append(
            Segment(
                digest_of(tariff),
                begin,
                end,
                *cycle,
                rated.lines,
                carried,
                rated.carried,
            )
        )
        carried = rated.carried
    return tuple(found)


def _slots(load: Load, begin: int, end: int) -> Load:
    """Return a part of a load."""
    if (begin, end) == (load.first, load.end):
        return load
    low, high = (begin - load.first) // load.step, (end - load.first) // load.step
    return Load(
        begin,
        load.step,
        load.imported[low:high],
        load.exported[low:high],
        load.bought[low:high],
        load.grain,
    )


def _usages(found: Metered, load: Load) -> tuple[Usage, ...]:
    if len(found.parts) == 1:
        # The load is what this register moved, in a list: quicker to add up.
        return (_usage(found.parts[0], sum(load.imported)),)
    return tuple(_usage(part, part.series.total) for part in found.parts)


def _usage(part: Part, quantity: int) -> Usage:
    series = part.series
    return Usage(
        meter=part.meter,
        register=part.register,
        begin=part.begin,
        end=part.end,
        step=series.step,
        first=part.first,
        last=part.last,
        quantity=quantity,
        estimated=series.estimated,
        digest=series.digest,
    )


def _up(at: int, load: Load) -> int:
    # Slots lie on multiples of their step, which the load's first second is one of.
    return at + (load.first - at) % load.step
