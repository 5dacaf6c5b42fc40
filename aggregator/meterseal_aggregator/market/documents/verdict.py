"""How near a document's figure is to what its member declared. Pure.

The bounds are the rule's own (`trust.document_change`), whatever an operator says a document
is worth. This module must never read a table.
"""

from typing import Final

from meterseal_aggregator.market.documents.model import Verdict
from meterseal_aggregator.market.trust import TrustRules, document_change

_NEARNESS: Final = TrustRules(meter=2, meter_fair=1)
_VERDICTS: Final = (Verdict.FAR, Verdict.FAIR, Verdict.GOOD)


def verdict_of(declared_wh: int, document_wh: int) -> Verdict:
    """Return GOOD up to 10 % off a declaration above 0, FAIR up to 20 %, else FAR."""
    return _VERDICTS[document_change(_NEARNESS, declared_wh, document_wh)]
