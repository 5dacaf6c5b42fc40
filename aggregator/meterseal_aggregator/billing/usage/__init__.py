"""A meter point's usage for a bill: what its meters moved over a period, as one load.

    found = await metered(tx, wants, Commodity.ELECTRICITY, known_at=now)
    load = load_of(found[0], bought)

Meters that followed each other are one chain. Energy given to the grid under a certificate
is no part of it: it became credits, which are sold, fed in or kept, and a Wh has one use.
This room must never fill a gap: what nobody knows is refused, naming register and span.
"""

from meterseal_aggregator.billing.usage.load import load_of, netted
from meterseal_aggregator.billing.usage.metered import metered
from meterseal_aggregator.billing.usage.model import Bought, Metered, Part, Want

__all__ = ["Bought", "Metered", "Part", "Want", "load_of", "metered", "netted"]
