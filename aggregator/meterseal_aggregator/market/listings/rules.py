"""Lane C's rules: how things stand and a wish give a deed and the ledger's moves, or Declined.

    deed = decide(standing, wish, terms, now=now)
    moves = transfers(deed)

The limits bind who adds, as in contracts/marketplace.clar: what a buyer gives back is for
sale again whatever the reserve is, or he could not give it back. Pure. This module must
never round but as that contract does: price exact, commission and refund down.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.ledger.accounts import buyer, producer, user
from meterseal_aggregator.ledger.model import WH, AccountCode, Asset, Transfer
from meterseal_aggregator.market.listings.model import (
    HOUSE,
    REFUNDS,
    Deed,
    Kind,
    ListingTerms,
    Wish,
    listed,
)
from meterseal_aggregator.market.model import Cause, Declined


@dataclass(frozen=True, slots=True)
class Standing:
    """How things stand: Wh of the wish's seller and of all, of its member, and money.

    `free_wh` is what the member made, holds and has promised nobody; `held_wh` what he
    bought anywhere and still holds; `bought_wh` what he bought here and gave not back.
    `money` is the member's, `fund` what refunds are paid from, both in micro-units.
    """

    last_deed: int
    left_wh: int
    total_wh: int
    bought_wh: int
    certified: bool
    free_wh: int
    held_wh: int
    money: int
    fund: int


def decide(standing: Standing, wish: Wish, terms: ListingTerms, *, now: int) -> Deed:
    """Return the deed of a wish of more than 0 Wh; raises Declined with what to do."""
    _CHECKS[wish.kind](standing, wish, terms)
    buys, refunds = wish.kind is Kind.BUY, wish.kind is Kind.REFUND
    amount = terms.price_of(wish.wh) if buys else 0
    more = wish.kind in (Kind.ADD, Kind.REFUND)
    return Deed(
        id=standing.last_deed + 1,
        wish=wish,
        price=terms.price if buys or refunds else 0,
        amount=terms.refund_of(wish.wh) if refunds else amount,
        commission=terms.commission_of(wish.wh) if buys else 0,
        asset=terms.asset,
        left_wh=standing.left_wh + (wish.wh if more else -wish.wh),
        bought_wh=standing.bought_wh + wish.wh * (buys - refunds),
        done_at=now,
    )


def transfers(deed: Deed) -> list[Transfer]:
    """Return what moves, energy first; what would move nothing is left out."""
    wish = deed.wish
    energy = _ENERGY[wish.kind](wish)
    moves = [_move(deed, "energy", wish.wh, energy, WH)]
    if wish.kind is Kind.BUY:
        to = user(wish.seller) if wish.seller != HOUSE else REFUNDS
        payer = user(wish.member)
        moves.append(_move(deed, "price", deed.amount, (payer, to), deed.asset))
        legs = (payer, REFUNDS)
        moves.append(_move(deed, "commission", deed.commission, legs, deed.asset))
    if wish.kind is Kind.REFUND:
        legs = (REFUNDS, user(wish.member))
        moves.append(_move(deed, "refund", deed.amount, legs, deed.asset))
    return [move for move in moves if move.amount]


def _check_add(standing: Standing, wish: Wish, terms: ListingTerms) -> None:
    if not standing.certified:
        raise Declined(
            Cause.UNCERTIFIED, "no certificate of yours is in force: apply for one"
        )
    if wish.wh > standing.free_wh:
        raise Declined(
            Cause.RESERVE,
            f"of the Wh you made {standing.free_wh} are yours to sell: the rest is sold,"
            " withdrawn or promised for a slot that is not settled",
        )
    own = terms.user_reserve_wh - standing.left_wh
    left = min(own, terms.reserve_wh - standing.total_wh)
    if wish.wh > left:
        whose = "you may" if left == own else "the community may"
        raise Declined(
            Cause.RESERVE,
            f"{whose} put up {max(0, left)} Wh more for sale, not {wish.wh}",
        )


def _check_remove(standing: Standing, wish: Wish, _terms: ListingTerms) -> None:
    if wish.wh > standing.left_wh:
        raise Declined(
            Cause.SOLD_OUT,
            f"you have {standing.left_wh} Wh for sale: take back no more",
        )


def _check_buy(standing: Standing, wish: Wish, terms: ListingTerms) -> None:
    if wish.seller == wish.member:
        raise Declined(Cause.SELF_TRADE, "these are your own Wh: take them from sale")
    if wish.wh > standing.left_wh:
        raise Declined(
            Cause.SOLD_OUT,
            f"this seller has {standing.left_wh} Wh for sale: buy no more of him",
        )
    whole = terms.price_of(wish.wh) + terms.commission_of(wish.wh)
    if whole > wish.bound:
        raise Declined(
            Cause.PRICE,
            f"this costs {whole} micro-units with the commission, above your most",
        )
    if whole > standing.money:
        raise Declined(
            Cause.FUNDS,
            f"this costs {whole} micro-units and you have {standing.money}: pay in first",
        )


def _check_refund(standing: Standing, wish: Wish, terms: ListingTerms) -> None:
    if wish.wh > min(standing.bought_wh, standing.held_wh):
        raise Declined(
            Cause.STATE,
            f"you bought {standing.bought_wh} Wh here that you did not give back, and"
            f" hold {standing.held_wh}: give back no more",
        )
    back = terms.refund_of(wish.wh)
    if back < wish.bound:
        raise Declined(
            Cause.PRICE, f"today {back} micro-units are paid back, below your least"
        )
    if back > standing.fund:
        raise Declined(
            Cause.RESERVE,
            f"refunds are paid from commissions, which now hold {standing.fund} of the"
            f" {back} micro-units: give back less, or wait",
        )


_CHECKS: Final[Mapping[Kind, Callable[[Standing, Wish, ListingTerms], None]]] = {
    Kind.ADD: _check_add,
    Kind.REMOVE: _check_remove,
    Kind.BUY: _check_buy,
    Kind.REFUND: _check_refund,
}
_Legs = tuple[AccountCode, AccountCode]
_ENERGY: Final[Mapping[Kind, Callable[[Wish], _Legs]]] = {
    Kind.ADD: lambda wish: (producer(wish.member), listed(wish.seller)),
    Kind.REMOVE: lambda wish: (listed(wish.seller), producer(wish.member)),
    Kind.BUY: lambda wish: (listed(wish.seller), buyer(wish.member)),
    Kind.REFUND: lambda wish: (buyer(wish.member), listed(wish.seller)),
}


def _move(deed: Deed, leg: str, amount: int, legs: _Legs, asset: Asset) -> Transfer:
    return Transfer(
        id=deed.transfer(leg),
        amount=amount,
        debit=legs[0],
        credit=legs[1],
        purpose=f"listing-{leg}",
        effective_at=deed.done_at,
        asset=asset,
        reference=deed.id.to_bytes(8),
    )
