"""VEE: validation, estimation and editing of accepted readings, and the days that bills read.

A reading becomes a fact here: validated, or questionable with the names of the checks it
failed (`check`, `job`). Readings themselves are never changed; beside them lie values no
device sealed (`values`: `filling`, `importing`, `edit`). Both together are packed into local
days (`packing`, `days`), which are looked at as a whole (`look`) and counted again by
`recount`. What is estimated, imported or edited must never mint nor change trust.
"""

from meterseal_aggregator.vee.audit import findings

__all__ = ["findings"]
