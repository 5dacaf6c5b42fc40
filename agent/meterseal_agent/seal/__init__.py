"""Records to seals: open ones as they come, committed ones a day at a time.

This room alone uses the seal key for seals, and it must never sign a header that is not
stored.
"""

from meterseal_agent.seal.cut import Cut, next_cut
from meterseal_agent.seal.sealer import Sealer

__all__ = ["Cut", "Sealer", "next_cut"]
