"""Entries of the audit log: calls of `audit-log`.

Nothing moves. This module must never be given personal data: a subject is a hash.
"""

from meterseal_aggregator.stacks.calls import arguments
from meterseal_aggregator.stacks.calls.deployment import Call, Deployment
from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import UInt


def append_entry(
    at: Deployment, actor: Principal, action: str, subject: bytes, amount: int
) -> Call:
    """Add an entry.

    `actor` did `action` to `subject` (a hash), `amount` in the action's unit. By
    holders of the role "recorder". Answers the entry's index. Errors: u1500 to u1502.
    """
    return at.call(
        "audit-log.append-entry",
        {
            "actor": actor,
            "action": arguments.text(action, 32),
            "subject": arguments.digest(subject),
            "amount": UInt(amount),
        },
    )
