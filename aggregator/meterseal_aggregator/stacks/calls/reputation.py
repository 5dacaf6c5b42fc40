"""How trades went, stars, and stakes: calls of `reputation`.

Stakes in micro-STX, scores in 1/10000. This module must never move what is not staked.
"""

from meterseal_aggregator.stacks.calls import arguments
from meterseal_aggregator.stacks.calls.deployment import Call, Deployment
from meterseal_aggregator.stacks.calls.moves import exactly
from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import UInt


def record_trade(at: Deployment, trade: int) -> Call:
    """Count a closed trade into the scores, once.

    Settled: the seller gains on 99 % and more, else loses by what is missing.
    Cancelled: who cancelled loses, a seller after the window began twice. Expired:
    nobody, for nobody knows. By anybody. Answers the seller's score. Errors: u701 to
    u703.
    """
    return at.call("reputation.record-trade", {"trade": UInt(trade)})


def rate(at: Deployment, trade: int, given: int, comment: bytes) -> Call:
    """Rate the other side of a settled trade with 1 to 5 stars.

    `comment` is the hash of a salted text. By buyer or seller, once each. Errors: u701
    to u705.
    """
    return at.call(
        "reputation.rate",
        {
            "trade": UInt(trade),
            "given": UInt(given),
            "comment": arguments.digest(comment),
        },
    )


def record_meter_document(at: Deployment, meter: bytes, deviation: int) -> Call:
    """Count a meter document into its owner's score.

    Its number differs by `deviation` per cent from the meter: up to 10 a larger bonus,
    up to 20 a smaller, once per meter. By the oracle. Errors: u700, u701, u703, u709.
    """
    return at.call(
        "reputation.record-meter-document",
        {"meter": arguments.meter_id(meter), "deviation": UInt(deviation)},
    )


def stake(at: Deployment, amount: int) -> Call:
    """Stake `amount` micro-STX more.

    By anybody, of its own. Errors: u701, u706, u708.
    """
    return at.call("reputation.stake", {"amount": UInt(amount)}, exactly(amount))


def request_unstake(at: Deployment, amount: int) -> Call:
    """Ask for `amount` micro-STX back.

    It stops lifting at once, may be slashed until paid out, and asking again starts the
    cool-down anew. By the staker. Errors: u706.
    """
    return at.call("reputation.request-unstake", {"amount": UInt(amount)})


def unstake(at: Deployment, amount: int) -> Call:
    """Take out what was asked for, after the cool-down.

    By the staker, also while paused. Answers the micro-STX paid. `amount` is what was
    asked for. Errors: u707.
    """
    return at.call(
        "reputation.unstake", {}, exactly(amount, who=at.contract("reputation"))
    )


def slash(at: Deployment, who: Principal, amount: int, to: Principal) -> Call:
    """Take `amount` micro-STX of `who`'s stake for `to`, the leaving part last.

    By the role "court". Errors: u700, u706, u708.
    """
    return at.call(
        "reputation.slash",
        {"who": who, "amount": UInt(amount), "to": to},
        exactly(amount, who=at.contract("reputation")),
    )
