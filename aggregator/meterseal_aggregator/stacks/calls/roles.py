"""Roles, pauses, and numbers with their dates: calls of `roles` and `parameters`.

Nothing moves. This module must never be called by anything but an operator's own
command.
"""

from meterseal_aggregator.stacks.calls import arguments
from meterseal_aggregator.stacks.calls.deployment import Call, Deployment
from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import UInt


def grant(at: Deployment, role: str, who: Principal) -> Call:
    """Give `role` to `who`.

    By the admin, or by governance except for its own role and guardian. Errors: u10 to
    u12, u14.
    """
    return at.call("roles.grant", {"role": arguments.text(role, 20), "who": who})


def revoke(at: Deployment, role: str, who: Principal) -> Call:
    """Take `role` from `who`.

    By the same as grant. Errors: u10, u11, u12.
    """
    return at.call("roles.revoke", {"role": arguments.text(role, 20), "who": who})


def offer_admin(at: Deployment, who: Principal) -> Call:
    """Offer the place of admin to `who`; nothing changes until accepted.

    By the admin. Errors: u10.
    """
    return at.call("roles.offer-admin", {"who": who})


def accept_admin(at: Deployment) -> Call:
    """Take the place offered.

    By whom it was offered to. Errors: u13.
    """
    return at.call("roles.accept-admin")


def pause(at: Deployment, room: Principal) -> Call:
    """Stop `room`, a contract.

    By a guardian. Errors: u10, u11.
    """
    return at.call("roles.pause", {"room": room})


def resume(at: Deployment, room: Principal) -> Call:
    """Let `room` go on.

    By a guardian. Errors: u10, u11.
    """
    return at.call("roles.resume", {"room": room})


def set_parameter(at: Deployment, name: str, value: int, start: int) -> Call:
    """Let `name` be `value` from `start` (Unix seconds, now or later) on.

    A value set before that and not yet in force is replaced. By governance (role
    "governor") or the role "operator". Errors: u20 to u23.
    """
    return at.call(
        "parameters.set-parameter",
        {"name": arguments.text(name, 32), "value": UInt(value), "from": UInt(start)},
    )
