"""Committed days, as their devices signed them: calls of `meter-data`.

Nothing moves. This module must never carry an opening: a header tells nobody's usage.
"""

from meterseal_aggregator.stacks.calls import arguments
from meterseal_aggregator.stacks.calls.arguments import LogPlace, Sealed
from meterseal_aggregator.stacks.calls.deployment import Call, Deployment


def submit_usage_proof(at: Deployment, sealed: Sealed, place: LogPlace) -> Call:
    """Keep a committed day that the anchored log holds.

    By anybody who has the header: signature and log speak for it. Answers its hash.
    Errors: u404 to u406, u409, u1000 to u1007.
    """
    return at.call(
        "meter-data.submit-usage-proof", {**sealed.fields(), **place.fields()}
    )


def show_equivocation(at: Deployment, one: Sealed, two: Sealed) -> Call:
    """Show that a meter signed two contents for one (meter, register, seq).

    No day of that seq counts from then on. By anybody. Errors: u404 to u406, u1000,
    u1008, u1009.
    """
    return at.call(
        "meter-data.show-equivocation",
        {
            "one": arguments.header(one.header),
            "one-signature": arguments.recoverable(one.signature),
            "two": arguments.header(two.header),
            "two-signature": arguments.recoverable(two.signature),
        },
    )
