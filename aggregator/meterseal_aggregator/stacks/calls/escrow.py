"""The buyer's money between order and delivery: calls of `trade-escrow`.

Energy in Wh, money in micro-STX or units of the trade's asset (None: STX). What a trade
holds leaves it whole, in up to three parts. This module must never leave open how much
that is.
"""

from meterseal_aggregator.stacks.calls import arguments
from meterseal_aggregator.stacks.calls.deployment import Call, Deployment
from meterseal_aggregator.stacks.calls.moves import at_most, exactly
from meterseal_aggregator.stacks.transaction import Asset
from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import Bool, UInt


def open_trade(
    at: Deployment, offer: int, quantity: int, most: int, asset: Asset | None
) -> Call:
    """Put money on `quantity` Wh of an offer.

    At most `most` millionths of `asset` (None: STX). By a verified user who is not the
    seller. Answers the trade's number. Errors: u601, u605 to u607, u611.
    """
    return at.call(
        "trade-escrow.open-trade",
        {
            "offer": UInt(offer),
            "quantity": UInt(quantity),
            "most": UInt(most),
            "asset": arguments.token(asset),
        },
        at_most(most, asset),
    )


def settle(
    at: Deployment, number: int, delivered: int, asset: Asset | None, held: int
) -> Call:
    """Pay the seller for `delivered` Wh pro rata.

    The treasury its fee, the buyer the rest. `delivered` is what the court decided or
    the oracle confirmed, then by anybody; or the whole quantity, then by the buyer at
    any time. Answers the amount paid for. `held` is the amount the trade was opened
    with. Errors: u601 to u605, u608, u611.
    """
    return at.call(
        "trade-escrow.settle",
        {
            "number": UInt(number),
            "delivered": UInt(delivered),
            "asset": arguments.token(asset),
        },
        exactly(held, asset, at.contract("trade-escrow")),
    )


def cancel(at: Deployment, number: int, asset: Asset | None, held: int) -> Call:
    """Undo a trade.

    The buyer within half an hour of opening and before the window begins, the seller
    while it is open and no delivery is confirmed. All money goes back, the energy to
    the offer; the score rules of reputation apply. Also while paused. `held` is the
    amount the trade was opened with. Errors: u600, u602 to u605, u609, u611.
    """
    return at.call(
        "trade-escrow.cancel",
        {"number": UInt(number), "asset": arguments.token(asset)},
        exactly(held, asset, at.contract("trade-escrow")),
    )


def expire(at: Deployment, number: int, asset: Asset | None, held: int) -> Call:
    """Give the buyer the money back when nobody said what was delivered.

    In time is until the trade's `expires-at`. By anybody, also while paused. `held` is
    the amount the trade was opened with. Errors: u602 to u605, u610, u611.
    """
    return at.call(
        "trade-escrow.expire",
        {"number": UInt(number), "asset": arguments.token(asset)},
        exactly(held, asset, at.contract("trade-escrow")),
    )


def freeze_trade(at: Deployment, number: int) -> Call:
    """Let nothing move in a trade while it is disputed.

    By the role "court". Errors: u600, u602 to u604.
    """
    return at.call("trade-escrow.freeze-trade", {"number": UInt(number)})


def thaw_trade(at: Deployment, number: int) -> Call:
    """Let a frozen trade go on as if never disputed.

    By the role "court". Errors: u600, u602, u612.
    """
    return at.call("trade-escrow.thaw-trade", {"number": UInt(number)})


def decide_trade(at: Deployment, number: int, delivered: int) -> Call:
    """Decide what a frozen trade delivered.

    `delivered` Wh it is, and so it may be settled; this goes before what the oracle
    confirmed. By the role "court". Errors: u600, u602, u612.
    """
    return at.call(
        "trade-escrow.decide-trade",
        {"number": UInt(number), "delivered": UInt(delivered)},
    )


def allow_asset(at: Deployment, token: Principal, *, is_on: bool) -> Call:
    """Allow or forbid a SIP-010 token for new trades.

    By the admin of roles. Errors: u600.
    """
    return at.call("trade-escrow.allow-asset", {"token": token, "is-on": Bool(is_on)})


def set_treasury(at: Deployment, who: Principal) -> Call:
    """Say who receives the fees, never this contract.

    By the admin of roles. Errors: u600, u611.
    """
    return at.call("trade-escrow.set-treasury", {"who": who})
