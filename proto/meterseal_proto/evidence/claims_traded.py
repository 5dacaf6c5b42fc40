"""The claims that evidence of a trade makes, each judged on its own and by name.

The trade and its terms; of an auction the book, cleared again and found in the log;
delivered = min(ordered, what the seller's meter had left for it); what was paid of it; and
that the ledger moved just that. A buyer's file does not hold the seller's readings, which
are the seller's own: what hangs on them is UNCHECKED there. This module must never raise
for anything a ZIP holds, and never let one good claim cover for another.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Final

from meterseal_proto.claims import Claim, Unasked, Wrong, judge_one
from meterseal_proto.clearing import ALL_BP, pairs
from meterseal_proto.clearingfile import OrderBook, clearing_hash, parse_book
from meterseal_proto.entry import trade_event_entry
from meterseal_proto.evidence import contents as parts
from meterseal_proto.evidence.claims import (
    Case,
    given,
    judge_files,
    judge_log,
    judge_seals,
)
from meterseal_proto.evidence.ledgerrun import HOLD
from meterseal_proto.evidence.sealedfile import records_of
from meterseal_proto.evidence.tradefile import TradeDocument, read_trade
from meterseal_proto.units import EXPORT

OFFER: Final = 0
AUCTION: Final = 1
_WH_A_KWH: Final = 1_000
_SETTLED: Final = "settled"
_ENERGY: Final = "wh"


@dataclass(frozen=True)
class Traded(Case):
    """A ZIP about a trade."""

    @cached_property
    def trade(self) -> TradeDocument:
        """The trade."""
        return self.read(parts.TRADE, read_trade)

    @cached_property
    def book(self) -> OrderBook:
        """The auction's book."""
        return self.read(parts.CLEARING, parse_book)

    @cached_property
    def known(self) -> TradeDocument:
        """The trade, for claims that do not answer for it."""
        return given(lambda: self.trade, parts.TRADE)


@dataclass(frozen=True, slots=True)
class _Due:
    """What a trade pays in all for what it delivered, micro-units."""

    held: int
    paid: int
    fee: int
    losses: int
    owed: int

    @property
    def seller(self) -> int:
        return self.paid - self.fee - self.losses


def judge_traded(case: Traded) -> tuple[Claim, ...]:
    """Judge every claim of a trade's evidence, in the order a reader follows them."""
    own = tuple(judge_one(name, check, case) for name, check in TRADE_CLAIMS)
    return (*judge_files(case), *own, *judge_seals(case), *judge_log(case))


def _trade(case: Traded) -> str:
    trade = case.trade
    if trade.network != given(lambda: case.genesis, parts.NETWORK).network:
        raise Wrong("the trade is of another network than the genesis document")
    runs = [one.run for one in trade.runs]
    if runs != sorted(set(runs)) or (trade.state == _SETTLED) != bool(runs):
        raise Wrong("its runs are not in order, or it is settled without one")
    if runs:
        last = trade.runs[-1]
        if (last.metered_wh, max(one.delivered_wh for one in trade.runs)) != (
            trade.metered_wh, trade.delivered_wh,
        ):  # fmt: skip
            raise Wrong("it is not what its last run found")
    return (
        f"trade {trade.id}, {trade.wh} Wh of the slot {trade.start} at meter point"
        f" {trade.meter_point}: {trade.state}"
    )


def _terms(case: Traded) -> str:
    trade = case.known
    if trade.lane == OFFER:
        raise Unasked("a fixed price that was taken: the log holds nothing of it")
    salt = case.read(parts.CLEARING_SALT, parts.read_salt)
    book = case.book
    try:
        clearing = book.cleared()
    except ValueError as error:
        raise Wrong(f"{parts.CLEARING}: {error}") from None
    salted = sha256(salt + clearing_hash(book, clearing)).digest()
    logged = case.prove(trade_event_entry(salted), "the clearing")
    terms = book.terms
    if (terms.slot, clearing.price, terms.fee, terms.losses_bp, terms.ceiling) != (
        trade.start, trade.price, trade.fee, trade.losses_bp, trade.retail,
    ):  # fmt: skip
        raise Wrong("the trade's slot, price or fees are not those of the clearing")
    if trade.wh not in {pair.wh for pair in pairs(clearing)}:
        raise Wrong(f"nobody was matched for {trade.wh} Wh in that clearing")
    return f"the book clears at {clearing.price}; its hash is entry {logged.index}"


def _delivered(case: Traded) -> str:
    trade = case.known
    if trade.metered_wh is None:
        raise Unasked("no run has looked at the slot yet")
    if trade.delivered_wh > trade.wh or trade.metered_wh > trade.wh:
        raise Wrong("more was delivered than was ordered")
    # What a buyer has stays his: a later run that finds less takes nothing from him.
    best = max(one.metered_wh for one in trade.runs) if trade.runs else 0
    if trade.delivered_wh > best:
        raise Wrong(f"{trade.delivered_wh} Wh were delivered, at most {best} metered")
    if trade.sold is None:
        raise Unasked("the seller's readings are his own: ask him for his evidence")
    if not given(lambda: case.sealed, parts.SEALS):
        raise Unasked("no sealed readings of the slot are here: no meter stood there")
    export = _export(case, trade)
    metered = sum(one.metered_wh for one in trade.sold)
    if (trade.id, trade.metered_wh) not in {
        (one.trade, one.metered_wh) for one in trade.sold
    }:
        raise Wrong("the trade is not among what was sold of the slot")
    if metered > export:
        raise Wrong(f"{metered} Wh of the slot were shared out, {export} were sealed")
    return (
        f"{trade.delivered_wh} of {trade.wh} Wh: {export} were sealed, {metered} shared"
        f" among {len(trade.sold)} trades of the slot"
    )


def _export(case: Traded, trade: TradeDocument) -> int:
    """Return the Wh that sealed records say the slot exported, each its last revision."""
    sealed = given(lambda: case.sealed, parts.SEALS)
    found = 0
    for register in sealed.values():
        if register.register != EXPORT:
            raise Wrong("seals of another register than an export are no delivery")
        for start, (record, length) in records_of(register.seals).items():
            if trade.start <= start and start + length <= trade.start + trade.length:
                found += record.delta
    return found


def _paid(case: Traded) -> str:
    trade = case.known
    due = _due(trade)
    told = (
        sum(one.paid for one in trade.runs), sum(one.to_seller for one in trade.runs),
        sum(one.fee for one in trade.runs), sum(one.losses for one in trade.runs),
    )  # fmt: skip
    if told != (due.paid, due.seller, due.fee, due.losses):
        raise Wrong(
            "what its runs paid is not what its terms give for the delivered Wh"
        )
    covered = sum(one.from_stake + one.from_fund for one in trade.runs)
    uncovered = sum(one.uncovered for one in trade.runs)
    if covered + uncovered != due.owed:
        raise Wrong("what was made good is not what the shortfall cost the buyer")
    return (
        f"{due.paid} micro-units paid: {due.seller} to the seller, {due.fee} fee,"
        f" {due.losses} for losses; {covered} of {due.owed} owed were made good"
    )


def _due(trade: TradeDocument) -> _Due:
    """Return what a trade pays by its terms: prices are per kWh, multiples of 1,000."""
    delivered, settled = trade.delivered_wh, trade.state == _SETTLED
    paid = delivered * (trade.price // _WH_A_KWH)
    fee = delivered * (trade.fee // _WH_A_KWH)
    losses = -(-(paid - fee) * trade.losses_bp // ALL_BP)
    short = trade.wh - delivered if settled else 0
    dearer = max(0, trade.retail - trade.price)
    held = trade.wh * (trade.price // _WH_A_KWH)
    return _Due(held, paid, fee, losses, short * (dearer // _WH_A_KWH))


def _ledger(case: Traded) -> str:
    trade = case.known
    due, escrow = _due(trade), f"escrow:trade-{trade.id}"
    runs = given(lambda: case.runs, parts.LEDGER)
    entries = [entry for run in runs for entry in run.entries]
    held = [
        entry.amount for entry in entries if entry.phase == HOLD and not entry.freezes
    ]
    if held != [due.held]:
        raise Wrong(
            f"the buyer did not put {due.held} micro-units aside, as he ordered"
        )
    into: dict[str, int] = {}
    out: dict[str, int] = {}
    for entry in case.moved():
        if escrow in (entry.debit, entry.credit) and entry.asset != trade.asset:
            raise Wrong(f"entry {entry.seq} is of another asset")
        out[entry.credit] = out.get(entry.credit, 0) + entry.amount * (
            entry.debit == escrow
        )
        into[entry.asset] = into.get(entry.asset, 0) + entry.amount * (
            entry.credit == escrow or entry.asset == _ENERGY
        )
    gone = (
        out.get(f"user:{trade.seller}", 0), out.get("fee", 0), out.get("wheeling", 0),
    )  # fmt: skip
    if (into.get(trade.asset, 0), *gone) != (due.paid, due.seller, due.fee, due.losses):
        raise Wrong("the ledger moved other amounts than the trade paid")
    moved = into.get(_ENERGY, 0)
    if moved not in (0, trade.delivered_wh):
        raise Wrong(f"{moved} Wh changed hands, {trade.delivered_wh} were delivered")
    return f"{due.paid} micro-units and {moved} Wh changed hands, as the trade says"


TRADE_CLAIMS: Final[tuple[tuple[str, Callable[[Traded], str]], ...]] = (
    ("trade", _trade),
    ("terms", _terms),
    ("delivered", _delivered),
    ("payments", _paid),
    ("ledger", _ledger),
)
