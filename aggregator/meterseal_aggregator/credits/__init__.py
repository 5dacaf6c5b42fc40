"""Credits: a final exported Wh is minted once, corrected by its difference, retired once."""

from meterseal_aggregator.credits.audit import findings

__all__ = ["findings"]
