"""A trade as evidence: its terms, what each run found, and what its slot was sold to.

    {"asset", "buyer", "delivered_wh", "fee", "format": "meterseal/trade/1", "id", "lane",
     "length", "losses_bp", "made_at", "meter_point", "metered_wh", "network", "price",
     "rail", "retail", "runs": [[...], ...], "seller", "sold": null | [[...], ...],
     "start", "state", "wh"}

Wh, micro-units per kWh, micro-units, Unix seconds. `sold` is every promise of the slot in
the order it was confirmed, [trade, lane, wh, metered_wh], and is told to the seller alone.
Canonical JSON. This module must never say what a trade should have paid.
"""

from dataclasses import dataclass
from typing import Final

from meterseal_proto.boundedjson import MAX_UINT
from meterseal_proto.bundle import (
    Json,
    canonical,
    parse_canonical,
    read_hex,
    read_number,
    read_object,
    read_text,
)
from meterseal_proto.errors import Malformed

FORMAT: Final = "meterseal/trade/1"
MAX_SOLD: Final = 1_000
"""Promises of one slot of one meter point: its Wh in parts of a few."""
MAX_RUNS: Final = 4
MAX_TEXT: Final = 32
_MAX_BYTES: Final = 262_144
_FIELDS: Final = (
    "asset buyer delivered_wh fee format id lane length losses_bp made_at meter_point"
    " metered_wh network price rail retail runs seller sold start state wh"
)
_NUMBERS: Final = (
    "id", "lane", "meter_point", "start", "length", "seller", "buyer", "wh", "price",
    "fee", "losses_bp", "retail", "made_at", "delivered_wh",
)  # fmt: skip
_TEXTS: Final = ("asset", "rail", "state")
_RUN_COLUMNS: Final = 12
_SOLD_COLUMNS: Final = 4


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A run: totals of Wh, and the micro-units it posted beyond the runs before."""

    run: int
    metered_wh: int
    delivered_wh: int
    paid: int
    to_seller: int
    fee: int
    losses: int
    from_stake: int
    from_fund: int
    uncovered: int
    arrears: int
    at: int


@dataclass(frozen=True, slots=True)
class Sold:
    """One promise of the slot: its trade, lane, ordered and metered Wh."""

    trade: int
    lane: int
    wh: int
    metered_wh: int


@dataclass(frozen=True, slots=True)
class TradeDocument:
    """A trade; `metered_wh` None until a run, `sold` None where it is not told."""

    network: bytes
    id: int
    lane: int
    meter_point: int
    start: int
    length: int
    seller: int
    buyer: int
    wh: int
    price: int
    fee: int
    losses_bp: int
    retail: int
    made_at: int
    delivered_wh: int
    asset: str
    rail: str
    state: str
    metered_wh: int | None
    runs: tuple[FoundRun, ...]
    sold: tuple[Sold, ...] | None


def write_trade(trade: TradeDocument) -> bytes:
    """Return the file of a trade."""
    plain: dict[str, Json] = {
        name: getattr(trade, name) for name in (*_NUMBERS, *_TEXTS, "metered_wh")
    }
    runs: list[Json] = [
        [
            one.run, one.metered_wh, one.delivered_wh, one.paid, one.to_seller, one.fee,
            one.losses, one.from_stake, one.from_fund, one.uncovered, one.arrears, one.at,
        ]
        for one in trade.runs
    ]  # fmt: skip
    sold: Json = None
    if trade.sold is not None:
        sold = [[one.trade, one.lane, one.wh, one.metered_wh] for one in trade.sold]
    return canonical(
        {
            **plain,
            "format": FORMAT,
            "network": trade.network.hex(),
            "runs": runs,
            "sold": sold,
        }
    )


def read_trade(data: bytes) -> TradeDocument:
    """Return the trade of a file; Rejected names what is wrong with it."""
    top = parse_canonical(data, _MAX_BYTES, MAX_SOLD + MAX_RUNS + 4)
    fields = read_object(top, "trade", _FIELDS)
    if fields["format"] != FORMAT:
        raise Malformed(f"trade.format: {FORMAT}")

    def number(name: str) -> int:
        return read_number(fields[name], f"trade.{name}", MAX_UINT)

    def text(name: str) -> str:
        return read_text(fields[name], f"trade.{name}", MAX_TEXT)

    runs = _rows(fields["runs"], _RUN_COLUMNS, MAX_RUNS)
    sold = fields["sold"]
    told = None if sold is None else _rows(sold, _SOLD_COLUMNS, MAX_SOLD)
    return TradeDocument(
        network=read_hex(fields["network"], "trade.network", 32),
        id=number("id"), lane=number("lane"), meter_point=number("meter_point"),
        start=number("start"), length=number("length"), seller=number("seller"),
        buyer=number("buyer"), wh=number("wh"), price=number("price"),
        fee=number("fee"), losses_bp=number("losses_bp"), retail=number("retail"),
        made_at=number("made_at"), delivered_wh=number("delivered_wh"),
        asset=text("asset"), rail=text("rail"), state=text("state"),
        metered_wh=None if fields["metered_wh"] is None else number("metered_wh"),
        runs=tuple(FoundRun(*row) for row in runs),
        sold=None if told is None else tuple(Sold(*row) for row in told),
    )  # fmt: skip


def _rows(value: Json, columns: int, most: int) -> list[list[int]]:
    if not isinstance(value, list) or len(value) > most:
        raise Malformed(f"trade: a list of at most {most}")
    return [_row(row, columns) for row in value]


def _row(row: Json, columns: int) -> list[int]:
    if not isinstance(row, list) or len(row) != columns:
        raise Malformed(f"trade: a row of {columns} fields")
    found = []
    for one in row:
        # Differences may be below zero: what came back.
        if type(one) is not int or not -MAX_UINT <= one <= MAX_UINT:
            raise Malformed("trade: a row of integers")
        found.append(one)
    return found
