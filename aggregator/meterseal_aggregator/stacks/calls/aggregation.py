"""A community's totals under two trustees' signatures: calls of `usage-aggregation`.

Usage in Wh or litres, days since 1970 in the network's zone. Nothing moves. This module
must never make a set or a total: `privacy` does.
"""

from meterseal_aggregator.stacks.calls import arguments
from meterseal_aggregator.stacks.calls.deployment import Call, Deployment
from meterseal_proto.chaintotal import MAX_CELL, ChainTotal
from meterseal_proto.clarity import UInt, Value
from meterseal_proto.reporting import Place


def set_trustees(at: Deployment, one: bytes, two: bytes, three: bytes) -> Call:
    """Set the three trustees' keys for sets fixed from now on.

    By the admin of roles, also while paused. Errors: u1200, u1202.
    """
    return at.call(
        "usage-aggregation.set-trustees",
        {
            "one": arguments.public_key(one),
            "two": arguments.public_key(two),
            "three": arguments.public_key(three),
        },
    )


def post_set(at: Deployment, place: Place, members: bytes, size: int) -> Call:
    """Fix who reported: `members` is S (`totals.set_hash`), `size` counts them.

    Once per network, cell and day, for ever. By the role "operator". Errors: u1200 to
    u1206.
    """
    return at.call(
        "usage-aggregation.post-set",
        {
            **_fields(place),
            "set": arguments.digest(members),
            "size": UInt(size),
        },
    )


def post_total(at: Deployment, total: ChainTotal, one: bytes, two: bytes) -> Call:
    """Post the total of a fixed set with two trustees' signatures (`ChainTotal.sign`).

    By anybody: the signatures speak. Errors: u1201, u1207 to u1209, u1212.
    """
    return at.call(
        "usage-aggregation.post-total",
        {
            **_fields(total.place),
            "usage": UInt(total.usage),
            "one": arguments.recoverable(one),
            "two": arguments.recoverable(two),
        },
    )


def _fields(place: Place) -> dict[str, Value]:
    return {
        "network": arguments.digest(place.network),
        "cell": arguments.text(place.cell, MAX_CELL),
        "day": UInt(place.day),
    }
