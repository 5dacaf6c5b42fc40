"""Bills paid straight to the provider: calls of `payment`.

Money in micro-units of the asset it is paid in (None: STX). This module must never let
more leave an account than the payer agreed to.
"""

from meterseal_aggregator.stacks.calls import arguments
from meterseal_aggregator.stacks.calls.deployment import Call, Deployment
from meterseal_aggregator.stacks.calls.moves import at_most, exactly
from meterseal_aggregator.stacks.transaction import Asset
from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import Bool, UInt


def pay_bill(at: Deployment, bill: int, amount: int, asset: Asset | None) -> Call:
    """Pay all or part of what a bill still asks for, in its own asset.

    `amount` in micro-units. By anybody, with the caller's own money. Answers what is
    left to pay. Errors: u1401 to u1406.
    """
    return at.call(
        "payment.pay-bill",
        {"id": UInt(bill), "amount": UInt(amount), "asset": arguments.token(asset)},
        exactly(amount, asset),
    )


def quote_bill(
    at: Deployment, bill: int, asset: Principal | None, price: int, expires: int
) -> Call:
    """Offer to take `price` of another asset for all a bill asks for.

    Until `expires` (Unix seconds). By the bill's provider. Errors: u1400 to u1405.
    """
    return at.call(
        "payment.quote-bill",
        {
            "id": UInt(bill),
            "asset": arguments.maybe(asset),
            "price": UInt(price),
            "expires": UInt(expires),
        },
    )


def pay_quoted(at: Deployment, bill: int, most: int, asset: Asset | None) -> Call:
    """Pay all that a bill still asks for at the quote for this asset.

    For `most` at most. By anybody, with the caller's own money. Errors: u1401 to u1403,
    u1405 to u1407.
    """
    return at.call(
        "payment.pay-quoted",
        {"id": UInt(bill), "most": UInt(most), "asset": arguments.token(asset)},
        at_most(most, asset),
    )


def refund_excess(at: Deployment, bill: int, asset: Asset | None, excess: int) -> Call:
    """Give back what was paid above a bill that a court lowered, to whose bill it is.

    By the bill's provider, in the bill's asset; also while paused. Answers the amount.
    `excess` is what was paid above the bill (`get-excess`). Errors: u1400, u1402, u1404
    to u1406.
    """
    return at.call(
        "payment.refund-excess",
        {"id": UInt(bill), "asset": arguments.token(asset)},
        exactly(excess, asset),
    )


def allow_asset(at: Deployment, token: Principal, *, is_on: bool) -> Call:
    """Allow or forbid a SIP-010 token for payments.

    By the admin of roles. Errors: u1400.
    """
    return at.call("payment.allow-asset", {"token": token, "is-on": Bool(is_on)})
