"""Who was found fit to sell, and what was produced: calls of `producer-certification`.

Capacity in W, energy in Wh, fees in micro-STX, times in Unix seconds. This module must
never let more than the fee it is told leave an account.
"""

from meterseal_aggregator.stacks.calls import arguments
from meterseal_aggregator.stacks.calls.deployment import Call, Deployment
from meterseal_aggregator.stacks.calls.moves import exactly
from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import UInt


def apply_for_certification(
    at: Deployment, capacity: int, source: str, fee: int
) -> Call:
    """Apply with `capacity` W of `source`; the fee (micro-STX) is paid now.

    By a verified producer without an open application. `fee` is what the contract asks
    now; another fee and nothing moves. Errors: u201 to u204, u211, u213.
    """
    return at.call(
        "producer-certification.apply-for-certification",
        {"capacity": UInt(capacity), "source": arguments.text(source, 32)},
        exactly(fee),
    )


def certify_producer(at: Deployment, producer: Principal) -> Call:
    """Certify `producer`'s application.

    By a certifier: level 1 up to 10 kW, 2 and 3 any; not by itself. Errors: u201, u205,
    u206, u208, u214.
    """
    return at.call("producer-certification.certify-producer", {"producer": producer})


def revoke_certification(at: Deployment, producer: Principal, reason: str) -> Call:
    """Take a certification back, or refuse an application, for a stated reason.

    By a certifier of level 3, also while paused. Errors: u206 to u208, u211.
    """
    return at.call(
        "producer-certification.revoke-certification",
        {"producer": producer, "reason": arguments.text(reason, 64)},
    )


def record_production(
    at: Deployment, producer: Principal, energy: int, start: int, end: int
) -> Call:
    """Record that `producer` made `energy` Wh from `start` to `end` (Unix seconds).

    After what was recorded before. By the oracle. Errors: u200, u201, u207, u209.
    """
    return at.call(
        "producer-certification.record-production",
        {
            "producer": producer,
            "energy": UInt(energy),
            "from": UInt(start),
            "to": UInt(end),
        },
    )


def authorise_certifier(at: Deployment, who: Principal, level: int) -> Call:
    """Let `who` certify at `level` 1 to 3.

    By the admin of roles. Errors: u200, u208.
    """
    return at.call(
        "producer-certification.authorise-certifier", {"who": who, "level": UInt(level)}
    )


def deauthorise_certifier(at: Deployment, who: Principal) -> Call:
    """Let `who` certify no more; what it certified stands.

    By the admin of roles. Errors: u200, u208.
    """
    return at.call("producer-certification.deauthorise-certifier", {"who": who})


def set_certification_fee(at: Deployment, amount: int) -> Call:
    """Set the application fee in micro-STX.

    By the admin of roles. Errors: u200, u210.
    """
    return at.call(
        "producer-certification.set-certification-fee", {"amount": UInt(amount)}
    )


def set_minimum_production(at: Deployment, watts: int) -> Call:
    """Set the smallest capacity in W that may be certified.

    By the admin of roles. Errors: u200, u210.
    """
    return at.call(
        "producer-certification.set-minimum-production", {"watts": UInt(watts)}
    )


def set_maximum_production(at: Deployment, watts: int) -> Call:
    """Set the largest capacity in W that may be certified.

    By the admin of roles. Errors: u200, u210.
    """
    return at.call(
        "producer-certification.set-maximum-production", {"watts": UInt(watts)}
    )


def withdraw_fees(at: Deployment, amount: int, to: Principal) -> Call:
    """Pay out `amount` micro-STX of fees to `to`.

    By the admin of roles. Errors: u200, u212, u213.
    """
    return at.call(
        "producer-certification.withdraw-fees",
        {"amount": UInt(amount), "to": to},
        exactly(amount, who=at.contract("producer-certification")),
    )
