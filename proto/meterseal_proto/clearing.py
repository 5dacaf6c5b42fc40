"""A sealed call auction of one slot: many orders, one price, and anybody can replay it.

    clear(terms, asks, bids) -> Clearing(price, volume_wh, asks, bids)

Bids are taken from the highest price down, asks from the lowest up, for as long as the
bid pays for the ask; so the volume is the largest there is at one price. What stands
between seller and buyer is added to the ask before anything is compared: line losses,
then the fee. The price is what buyers pay and lies halfway between what the last fill
and the first left-over allow, floored to the tick, within floor and ceiling. Pure,
integers only: Wh, and micro-units of money per kWh. This module must never depend on
the order in which its arguments are listed, nor fill an order at a loss to its owner.

Source: uniform-price double auction (McAfee 1992, section 2), k = 1/2.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple, TypeAlias

RULES: Final = "meterseal/clearing/1"
"""The version of these rules; part of every hash."""
TICK_UNIT: Final = 1_000
"""A tick is a multiple of it, so that Wh times price is whole micro-units."""
MAX_PRICE: Final = (1 << 40) - 1
"""Micro-units per kWh: a million units of money, beyond any price of energy."""
MAX_WH: Final = (1 << 40) - 1
"""Of one order: a thousand GWh, beyond any slot."""
MAX_SEQ: Final = (1 << 63) - 1
MAX_TRUST: Final = 10_000
"""Trust is counted in 1/10,000."""
TIERS: Final = (3_000, 5_000, 7_000, 8_500, 9_500)
"""Lower bounds of the tiers Starter, Bronze, Silver, Gold, Platinum; below is New."""
ALL_BP: Final = 10_000
"""Losses are counted in basis points of what the seller feeds in."""


class Order(NamedTuple):
    """A wish to sell or buy up to `wh` at `price` or better; a tuple, for there are many.

    price: micro-units per kWh, 0..MAX_PRICE; a seller's is what he is left with. trust:
    1/10,000. seq: when it was submitted, unique among the orders of its side.
    """

    id: str
    party: str
    wh: int
    price: int
    trust: int
    seq: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for every order of a slot, named by its start (Unix seconds, UTC).

    tick, floor, ceiling and fee in micro-units per kWh. `losses_bp` of what a seller feeds
    in is lost on the way. `caps` are the most Wh that a party may trade in this slot.
    """

    slot: int
    tick: int
    floor: int
    ceiling: int
    fee: int
    losses_bp: int = 0
    caps: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """ValueError for terms under which no price could be exact or fair."""
        if self.tick <= 0 or self.tick % TICK_UNIT:
            raise ValueError(f"tick: a multiple of {TICK_UNIT} micro-units per kWh")
        if not 0 <= self.floor <= self.ceiling <= MAX_PRICE:
            raise ValueError(f"floor, ceiling: 0 <= floor <= ceiling <= {MAX_PRICE}")
        if self.lowest > self.highest:
            raise ValueError("floor, ceiling: no price on a tick lies between them")
        if not 0 <= self.fee <= MAX_PRICE:
            raise ValueError(f"fee: 0 to {MAX_PRICE}")
        if not 0 <= self.losses_bp < ALL_BP:
            raise ValueError(f"losses_bp: 0 to {ALL_BP - 1}")

    @property
    def lowest(self) -> int:
        """The lowest price there may be: the first on a tick from the floor up."""
        return -(-self.floor // self.tick) * self.tick

    @property
    def highest(self) -> int:
        """The highest price there may be: the last on a tick up to the ceiling."""
        return self.ceiling - self.ceiling % self.tick

    def paid_for(self, ask: int) -> int:
        """Return the least price on a tick that leaves the seller `ask`, losses and fee paid."""
        kept = ALL_BP - self.losses_bp
        whole = -(-ask * ALL_BP // kept) + self.fee
        return -(-whole // self.tick) * self.tick

    def left_of(self, price: int) -> int:
        """Return what a seller is left with of a price, floored; below zero where fees eat it."""
        return (price - self.fee) * (ALL_BP - self.losses_bp) // ALL_BP


class Fill(NamedTuple):
    """What an order got, in Wh, above 0."""

    id: str
    wh: int


class Pair(NamedTuple):
    """A trade: `wh` from the order `ask` to the order `bid`."""

    ask: str
    bid: str
    wh: int


@dataclass(frozen=True, slots=True)
class Clearing:
    """What an auction did: one price (None where nothing trades), fills by priority."""

    price: int | None
    volume_wh: int
    asks: tuple[Fill, ...]
    bids: tuple[Fill, ...]


NOTHING: Final = Clearing(None, 0, (), ())


def clear(terms: Terms, asks: Sequence[Order], bids: Sequence[Order]) -> Clearing:
    """Return the clearing of a slot.

    Priority: price, then trust tier, then submission, then id. Every Wh that could trade at
    some one price trades; none of a party beyond its cap. ValueError where a party is on both
    sides: it could trade with itself.
    """
    both = {order.party for order in asks} & {order.party for order in bids}
    if both:
        raise ValueError(f"party {min(both)!r} both sells and buys in this slot")
    # What cannot meet even the best of the other side bounds no price either.
    best_bid = max((order.price for order in bids), default=-1)
    supply = _capped(terms, _supply(terms, asks, best_bid))
    best_ask = supply[0][3] if supply else MAX_PRICE + 1
    demand = _capped(terms, _demand(terms, bids, best_ask))
    crossing = _cross(supply, demand)
    if not crossing.volume:
        return NOTHING
    return Clearing(
        _price(terms, crossing),
        crossing.volume,
        tuple(_fills(supply, crossing.volume)),
        tuple(_fills(demand, crossing.volume)),
    )


def pairs(clearing: Clearing) -> Iterator[Pair]:
    """Yield who sells to whom: both sides walked by priority, so the best meet the best."""
    sellers, buyers = iter(clearing.asks), iter(clearing.bids)
    ask, bid = next(sellers, None), next(buyers, None)
    while ask is not None and bid is not None:
        wh = min(ask.wh, bid.wh)
        yield Pair(ask.id, bid.id, wh)
        ask = ask._replace(wh=ask.wh - wh) if ask.wh > wh else next(sellers, None)
        bid = bid._replace(wh=bid.wh - wh) if bid.wh > wh else next(buyers, None)


def tier(trust: int) -> int:
    """Return the tier of a trust in 1/10,000: 0 New to 5 Platinum; a bound is the upper's."""
    return bisect_right(TIERS, trust)


_BELOW_BEST: Final = tuple(len(TIERS) - tier(trust) for trust in range(MAX_TRUST + 1))
"""For each trust, how many tiers are above its own."""
_Row: TypeAlias = tuple[int, int, str, int, int, str]
"""Rank, submission, id (by these it is sorted); price on a tick as buyers see it, Wh, party."""


def _supply(terms: Terms, asks: Sequence[Order], best_bid: int) -> list[_Row]:
    """Return the asks that may be filled, the cheapest first."""
    # Above the highest price nobody may pay, whatever he bids.
    most, tick = min(best_bid, terms.highest), terms.tick
    seen = {least: terms.paid_for(least) for least in {ask.price for ask in asks}}
    rows = [
        (price // tick << 3 | _BELOW_BEST[trust], seq, name, price, wh, party)
        for name, party, wh, least, trust, seq in asks
        if (price := seen[least]) <= most
    ]
    rows.sort()
    return rows


def _demand(terms: Terms, bids: Sequence[Order], best_ask: int) -> list[_Row]:
    """Return the bids that may be filled, the dearest first."""
    # No price falls below the lowest, so who bids less cannot be served.
    least, tick = max(best_ask, terms.lowest), terms.tick
    rows = [
        (
            _BELOW_BEST[trust] - (price // tick << 3),
            seq,
            name,
            price // tick * tick,
            wh,
            party,
        )
        for name, party, wh, price, trust, seq in bids
        if price >= least
    ]
    rows.sort()
    return rows


def _capped(terms: Terms, rows: list[_Row]) -> list[_Row]:
    """Return the rows with no party beyond its cap: its best orders come first."""
    if not terms.caps:
        return rows
    left = dict(terms.caps)
    kept = []
    for rank, seq, name, price, wh, party in rows:
        taken = min(wh, left.get(party, wh))
        if party in left:
            left[party] -= taken
        if taken > 0:
            kept.append((rank, seq, name, price, taken, party))
    return kept


class _Crossing(NamedTuple):
    """How far demand meets supply, and the four prices that bound theirs."""

    volume: int
    last_ask: int
    last_bid: int
    next_ask: int
    next_bid: int


def _cross(supply: list[_Row], demand: list[_Row]) -> _Crossing:
    """Walk both curves until the next bid would not pay for the next ask."""
    # An end to each curve: nobody sells above MAX_PRICE, nobody buys below zero.
    asks = iter([(row[3], row[4]) for row in supply] + [(MAX_PRICE + 1, 0)])
    bids = iter([(row[3], row[4]) for row in demand] + [(-1, 0)])
    volume = last_ask = last_bid = 0
    (ask, offered), (bid, wanted) = next(asks), next(bids)
    while bid >= ask:
        last_ask, last_bid = ask, bid
        if offered < wanted:
            volume, wanted = volume + offered, wanted - offered
            ask, offered = next(asks)
        elif wanted < offered:
            volume, offered = volume + wanted, offered - wanted
            bid, wanted = next(bids)
        else:
            volume += wanted
            (ask, offered), (bid, wanted) = next(asks), next(bids)
    return _Crossing(volume, last_ask, last_bid, ask, bid)


def _price(terms: Terms, crossing: _Crossing) -> int:
    """Return the price: whoever is left over would not trade at it, or is indifferent."""
    low = max(crossing.last_ask, crossing.next_bid)
    high = min(crossing.last_bid, crossing.next_ask)
    middle = low + (high - low) // 2
    return min(max(middle - middle % terms.tick, terms.lowest), terms.highest)


def _fills(rows: list[_Row], volume: int) -> Iterator[Fill]:
    for _, _, name, _, wh, _ in rows:
        yield Fill(name, min(wh, volume))
        volume -= wh
        if volume <= 0:
            return
