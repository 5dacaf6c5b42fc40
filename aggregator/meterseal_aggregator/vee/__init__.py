"""VEE: validation (later estimation and editing) of accepted readings.

A reading becomes a fact here: validated, or questionable with the names of the checks
it failed. Readings themselves are never changed.
"""

from meterseal_aggregator.vee.audit import findings

__all__ = ["findings"]
