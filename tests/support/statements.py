"""Statements for tests: a plain one to look at, and any one, for laws."""

import itertools
from fractions import Fraction

from hypothesis import strategies as st

from meterseal_proto.rating.line import Line, LineKind, Unit
from meterseal_proto.rating.statement import (
    Rail,
    Segment,
    Statement,
    StatementKind,
    Usage,
)
from meterseal_proto.units import EXPORT, IMPORT, WATER, MeterId

MAY = 1_777_586_400
"""1 May 2026, 0:00 in Berlin."""
JUNE = 1_780_264_800
DAY = 86_400
NETWORK = bytes(range(32))
CURRENCIES = ("EUR", "USD", "INR", "KES", "XOF", "GBP", "STX", "usd-coin")
ZONES = ("Europe/Berlin", "Asia/Kolkata", "Africa/Nairobi", "America/Lima", "UTC")


def line(
    component: str,
    kind: LineKind,
    amount: int,
    quantity: Fraction | None = None,
    price: Fraction | None = None,
) -> Line:
    """A line in cents whose exact amount is its rounded one."""
    unit = Unit.KWH if quantity is not None else Unit.ONCE
    return Line(
        component, kind, "", quantity, unit, price, Fraction(amount, 100), amount
    )


def plain_lines() -> tuple[Line, ...]:
    """Energy by day and night, neighbours' Wh, lines, a standing charge, a tax: 121.37."""
    return (
        Line(
            "energy",
            LineKind.ENERGY,
            "day",
            Fraction(2505, 10),
            Unit.KWH,
            Fraction(32, 100),
            Fraction(8016, 100),
            8016,
        ),
        Line(
            "energy",
            LineKind.ENERGY,
            "night",
            Fraction(62),
            Unit.KWH,
            Fraction(1999, 10000),
            Fraction(123938, 10000),
            1239,
        ),
        line("neighbours", LineKind.TRADED, 0, Fraction(12), Fraction(0)),
        line("network", LineKind.WHEELING, 144, Fraction(12), Fraction(12, 100)),
        line("standing charge", LineKind.FIXED, 800),
        Line(
            "vat",
            LineKind.TAX,
            "",
            Fraction(19),
            Unit.PERCENT,
            Fraction(10199, 10000),
            Fraction(193781, 10000),
            1938,
        ),
        line("cash", LineKind.ROUNDING, 0),
    )


def plain_statement(**changed: object) -> Statement:
    """May 2026 in Berlin: 312.5 kWh by day and night, a tax of 19 %, 121.37 EUR in all."""
    segment = Segment(bytes([7]) * 32, MAY, JUNE, MAY, JUNE, plain_lines())
    usage = Usage(
        MeterId(bytes(16)),
        IMPORT,
        MAY,
        JUNE,
        900,
        1_000_000,
        1_312_500,
        312_500,
        2_500,
        digest=bytes([9]) * 32,
    )
    values: dict[str, object] = {
        "network": NETWORK,
        "number": "2026-000042",
        "kind": StatementKind.BILL,
        "member": 7,
        "meter_point": 3,
        "zone": "Europe/Berlin",
        "begin": MAY,
        "end": JUNE,
        "currency": "EUR",
        "minor": 2,
        "rail": Rail.LEDGER,
        "known_at": JUNE + 6 * 3600,
        "issued_at": JUNE + DAY,
        "due_at": JUNE + 15 * DAY,
        "usage": (usage,),
        "segments": (segment,),
        **changed,
    }
    # The names are those of the fields; a wrong one fails at once.
    return Statement(**values)  # type: ignore[arg-type]


texts = st.one_of(
    st.sampled_from(
        ("energy", "=SUM(A1)", "<b>&amp;", "peak, above 100 kWh", "कर", "opłata", "-1")
    ),
    st.text(
        st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40
    ).filter(str.strip),
)
fractions = st.one_of(
    st.integers(-(10**9), 10**9).map(Fraction),
    st.fractions(-(10**6), 10**6, max_denominator=10**6),
)
lines = st.builds(
    Line,
    component=texts,
    kind=st.sampled_from(LineKind),
    part=st.one_of(st.just(""), texts),
    quantity=st.none() | fractions,
    unit=st.sampled_from(Unit),
    price=st.none() | fractions,
    exact=fractions,
    amount=st.integers(-(10**12), 10**12),
)


@st.composite
def usages(draw: st.DrawFn, begin: int, end: int) -> Usage:
    """A register over a span: open, or private with a proof instead of values."""
    register = draw(st.sampled_from((IMPORT, EXPORT, WATER)))
    meter = MeterId(draw(st.binary(min_size=16, max_size=16)))
    if draw(st.booleans()):
        proof = draw(st.binary(min_size=32, max_size=32))
        return Usage(meter, register, begin, end, 900, None, None, None, 0, proof=proof)
    first, used = draw(st.integers(0, 10**12)), draw(st.integers(0, 10**9))
    return Usage(
        meter,
        register,
        begin,
        end,
        draw(st.sampled_from((300, 900, 3600))),
        draw(st.sampled_from((None, first))),
        draw(st.sampled_from((None, first + used))),
        used,
        draw(st.integers(0, used)),
        digest=draw(st.binary(min_size=32, max_size=32)),
    )


@st.composite
def statements(draw: st.DrawFn) -> Statement:
    """Any statement: one to three segments of up to six lines, bill or credit note."""
    begin = MAY + draw(st.integers(0, 400)) * DAY
    days = draw(st.integers(1, 60))
    end = begin + days * DAY
    cuts = sorted(draw(st.sets(st.integers(1, max(1, days - 1)), max_size=2)))
    edges = [begin, *(begin + cut * DAY for cut in cuts if cut < days), end]
    segments = tuple(
        Segment(
            draw(st.binary(min_size=32, max_size=32)),
            from_at,
            to_at,
            begin,
            end,
            tuple(draw(st.lists(lines, min_size=1, max_size=6))),
        )
        for from_at, to_at in itertools.pairwise(edges)
    )
    kind = draw(st.sampled_from(StatementKind))
    number = draw(st.from_regex(r"[0-9]{4}-[0-9]{1,20}", fullmatch=True))
    issued = end + draw(st.integers(0, 90)) * DAY
    return Statement(
        network=NETWORK,
        number=number,
        kind=kind,
        member=draw(st.integers(1, 10**9)),
        meter_point=draw(st.integers(1, 10**9)),
        zone=draw(st.sampled_from(ZONES)),
        begin=begin,
        end=end,
        currency=draw(st.sampled_from(CURRENCIES)),
        minor=draw(st.integers(0, 6)),
        rail=draw(st.sampled_from(Rail)),
        known_at=end,
        issued_at=issued,
        due_at=issued + draw(st.integers(0, 60)) * DAY,
        usage=tuple(draw(usages(begin, end)) for _ in range(draw(st.integers(0, 3)))),
        segments=segments,
        final=draw(st.booleans()),
        corrects="2026-1" if kind is StatementKind.CREDIT_NOTE else "",
        replaces=(
            draw(st.sampled_from(("", "2026-2"))) if kind is StatementKind.BILL else ""
        ),
    )
