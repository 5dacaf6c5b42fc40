"""Anchors, deliveries and the oracle's own place: calls of `energy-oracle`.

A size counts log entries, a root is RFC 9162's. Nothing moves. This module must never
decide what to anchor: the log does.
"""

from meterseal_aggregator.stacks.calls import arguments
from meterseal_aggregator.stacks.calls.deployment import Call, Deployment
from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import UInt


def anchor(at: Deployment, size: int, root: bytes) -> Call:
    """Anchor the log's checkpoint.

    By the oracle. Answers the anchor's number, from 0. Errors: u400 to u403.
    """
    return at.call(
        "energy-oracle.anchor", {"size": UInt(size), "root": arguments.digest(root)}
    )


def confirm_delivery(
    at: Deployment, trade: int, delivered: int, evidence: bytes
) -> Call:
    """Say that `trade` delivered `delivered` Wh.

    `evidence` hashes the readings it rests on. By the oracle, once per trade. Errors:
    u400, u401, u410, u412.
    """
    return at.call(
        "energy-oracle.confirm-delivery",
        {
            "trade": UInt(trade),
            "delivered": UInt(delivered),
            "evidence": arguments.digest(evidence),
        },
    )


def offer_oracle(at: Deployment, who: Principal) -> Call:
    """Offer the oracle's place to a new key.

    By the oracle, or by the admin when its key is lost; also while paused. Errors:
    u400.
    """
    return at.call("energy-oracle.offer-oracle", {"who": who})


def accept_oracle(at: Deployment) -> Call:
    """Take the oracle's place; the former oracle has none from here on.

    By whom it was offered to, also while paused. Errors: u413.
    """
    return at.call("energy-oracle.accept-oracle")
