"""The DISCOM mock: what a demo says was delivered where no meter stands.

    delivered_wh = verified(Mock(seed=7), trade_id, 500)

The same seed and trade give the same answer for ever. Pure, and only of play money: this
module must never be asked about an asset that somebody could buy bread with, and what it
says is energy in no account.
"""

import hashlib
import struct
from typing import Final

from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.market.terms import Mock

TEST_ASSET: Final = Asset("XTS")
"""ISO 4217's code for tests: the only money that unmetered trades may be settled in."""
ALL_BP: Final = 10_000
PARTIAL_OF: Final = (2, 3)
"""Of what is not delivered in full, two thirds come in part and one third not at all."""
PARTIAL_BP: Final = (2_000, 8_000)
"""A part is uniform between these, both included."""

_DRAWS: Final = struct.Struct(">QQQ")


def verified(mock: Mock, trade: int, wh: int) -> int:
    """Return the Wh that count as metered for a trade of `wh`, 0 to `wh`."""
    seen = hashlib.sha256(f"meterseal-discom/{mock.seed}/{trade}".encode()).digest()
    chance, kind, share = _DRAWS.unpack_from(seen)
    if chance % ALL_BP < mock.success_bp:
        return wh
    if kind % PARTIAL_OF[1] >= PARTIAL_OF[0]:
        return 0
    low, high = PARTIAL_BP
    return int(wh * (low + share % (high - low + 1)) // ALL_BP)
