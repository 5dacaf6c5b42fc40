"""Offers of energy to come, and minted energy sold at once: calls of `marketplace`.

Energy in Wh, prices in millionths of the asset a kWh (multiples of 1,000), rates in
1/10000, times in Unix seconds. This module must never let a buyer pay more than was
agreed.
"""

from meterseal_aggregator.stacks.calls import arguments
from meterseal_aggregator.stacks.calls.deployment import Call, Deployment
from meterseal_aggregator.stacks.calls.moves import at_least, at_most, exactly
from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import UInt


def list_offer(
    at: Deployment,
    price_micro_per_kwh: int,
    quantity: int,
    start: int,
    end: int,
    asset: Principal | None,
) -> Call:
    """Offer energy to come at a price.

    `quantity` Wh in the window `start` to `end` (Unix seconds) at a price in millionths
    of `asset` (None: STX) a kWh. By a verified, certified producer. Answers the offer's
    number. Errors: u501 to u505.
    """
    return at.call(
        "marketplace.list-offer",
        {
            "price-micro-per-kwh": UInt(price_micro_per_kwh),
            "quantity": UInt(quantity),
            "from": UInt(start),
            "to": UInt(end),
            "asset": arguments.maybe(asset),
        },
    )


def update_offer(
    at: Deployment, number: int, price_micro_per_kwh: int, quantity: int
) -> Call:
    """Change price and quantity of what is left; trades opened keep theirs.

    By the seller. Errors: u500, u501, u503 to u506.
    """
    return at.call(
        "marketplace.update-offer",
        {
            "number": UInt(number),
            "price-micro-per-kwh": UInt(price_micro_per_kwh),
            "quantity": UInt(quantity),
        },
    )


def cancel_offer(at: Deployment, number: int) -> Call:
    """Withdraw an offer; trades opened stand.

    By the seller, also while paused. Errors: u500, u506.
    """
    return at.call("marketplace.cancel-offer", {"number": UInt(number)})


def take_offer(at: Deployment, number: int, quantity: int, buyer: Principal) -> Call:
    """Take `quantity` Wh of an offer for a trade that `buyer` opens.

    By the role "escrow". Answers the offer as it was. Errors: u500, u501, u504 to u508.
    """
    return at.call(
        "marketplace.take-offer",
        {"number": UInt(number), "quantity": UInt(quantity), "buyer": buyer},
    )


def return_offer(at: Deployment, number: int, quantity: int) -> Call:
    """Give `quantity` Wh back to an offer whose trade was cancelled.

    By the role "escrow", also while paused. Errors: u500, u504, u506.
    """
    return at.call(
        "marketplace.return-offer", {"number": UInt(number), "quantity": UInt(quantity)}
    )


def add_energy_for_sale(at: Deployment, amount: int) -> Call:
    """Put `amount` of the caller's minted Wh up for sale; they wait in this contract.

    By a verified, certified producer. Errors: u501, u502, u504, u509, u511.
    """
    return at.call(
        "marketplace.add-energy-for-sale",
        {"amount": UInt(amount)},
        exactly(amount, at.energy),
    )


def remove_energy_from_sale(at: Deployment, amount: int) -> Call:
    """Take `amount` Wh of the caller's back from sale.

    By the seller, also while paused. Errors: u504, u511.
    """
    return at.call(
        "marketplace.remove-energy-from-sale",
        {"amount": UInt(amount)},
        exactly(amount, at.energy, at.contract("marketplace")),
    )


def buy_energy_from_user(
    at: Deployment, seller: Principal, amount: int, most: int
) -> Call:
    """Buy `amount` Wh of `seller` at the community's price.

    For at most `most` micro-STX; the commission is added. By a verified user. Answers
    the micro-STX paid. Errors: u501, u503, u504, u507, u508, u511.
    """
    return at.call(
        "marketplace.buy-energy-from-user",
        {"seller": seller, "amount": UInt(amount), "most": UInt(most)},
        at_most(most),
        exactly(amount, at.energy, at.contract("marketplace")),
    )


def refund_energy(at: Deployment, amount: int, least: int) -> Call:
    """Give Wh bought here and still held back for a share of the price.

    The share is the refund rate's, of today's price of `amount` Wh. The Wh are for sale
    again with this contract as seller, whose price fills what refunds are paid from. By
    the buyer. Answers the micro-STX refunded. Less than `least` micro-STX back and
    nothing moves. Errors: u501, u504, u511 to u513.
    """
    return at.call(
        "marketplace.refund-energy",
        {"amount": UInt(amount)},
        exactly(amount, at.energy),
        at_least(least, who=at.contract("marketplace")),
    )


def fund_refunds(at: Deployment, amount: int) -> Call:
    """Add `amount` micro-STX of the caller's to what refunds are paid from.

    By anybody. Errors: u504, u511.
    """
    return at.call(
        "marketplace.fund-refunds", {"amount": UInt(amount)}, exactly(amount)
    )


def withdraw_commission(at: Deployment, amount: int, to: Principal) -> Call:
    """Pay `amount` micro-STX of commissions to `to`.

    By the admin of roles. Errors: u500, u504, u511, u513.
    """
    return at.call(
        "marketplace.withdraw-commission",
        {"amount": UInt(amount), "to": to},
        exactly(amount, who=at.contract("marketplace")),
    )


def set_energy_price(at: Deployment, price: int) -> Call:
    """Set the community's price in micro-STX a kWh.

    By the role "operator" or governance. Errors: u500, u503.
    """
    return at.call("marketplace.set-energy-price", {"price": UInt(price)})


def set_commission_rate(at: Deployment, rate: int) -> Call:
    """Set the commission in 1/10000 of the price.

    By the role "operator" or governance. Errors: u500, u510.
    """
    return at.call("marketplace.set-commission-rate", {"rate": UInt(rate)})


def set_refund_rate(at: Deployment, rate: int) -> Call:
    """Set the share of the price refunded, in 1/10000.

    By the role "operator" or governance. Errors: u500, u510.
    """
    return at.call("marketplace.set-refund-rate", {"rate": UInt(rate)})


def set_reserve_limit(at: Deployment, limit: int) -> Call:
    """Set how many Wh may be for sale together.

    Below 2^64 and not less than now are. By the role "operator" or governance. Errors:
    u500, u509.
    """
    return at.call("marketplace.set-reserve-limit", {"limit": UInt(limit)})


def set_user_limit(at: Deployment, limit: int) -> Call:
    """Set how many Wh one seller may have for sale, below 2^64.

    By the role "operator" or governance. Errors: u500, u504.
    """
    return at.call("marketplace.set-user-limit", {"limit": UInt(limit)})
