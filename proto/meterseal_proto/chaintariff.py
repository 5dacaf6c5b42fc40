"""One tariff, two names: the hash of its document, and the hash of the contract's tuple.

The protocol names a tariff by its canonical document; the contract `billing` names it by
the SHA-256 of {asset, blocks, daily, due, from, kind, provider}, because it has to compute
with the parts. The tuple follows from the document and from three facts that only the
chain knows: who provides it, in which asset it is paid, how long a bill may wait. A
document and a tuple are the same tariff when `chain_tariff` of the one, with the other's
three facts, is the other; nobody chooses.

    document          tuple
    kind              kind: flat 0, block 1, lifeline 2
    blocks            blocks: {upto: Wh, price}; the last ends at 2^48
    daily             daily
    valid_from        from
    currency          asset: none exactly where the currency is STX
    id, zone          - (a total has no time of day)

Money is micro-units of the currency and of the asset alike. This module must never map a
tariff whose price of a total depends on when it was used.
"""

import hashlib
from dataclasses import dataclass
from typing import Final

from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import List, Optional, Tuple, UInt, encode
from meterseal_proto.tariff import Tariff
from meterseal_proto.totalstariff import Kind, TotalsTariff, on_totals

NATIVE: Final = "STX"
"""The currency whose asset is none."""
MIN_DUE_S: Final = 86_400
MAX_DUE_S: Final = 7_776_000
"""A day to 90 days to pay, as the contract takes it."""
_KINDS: Final = {Kind.FLAT: 0, Kind.BLOCK: 1, Kind.LIFELINE: 2}


@dataclass(frozen=True, slots=True)
class Terms:
    """What a tariff's document does not say: provider, asset (none: STX), seconds to pay."""

    provider: Principal
    asset: Principal | None
    due: int


def chain_tariff(tariff: Tariff | TotalsTariff, terms: Terms) -> Tuple:
    """Return the tuple under which the contract knows a tariff.

    ValueError for a tariff that is not on totals, an asset that is not its currency's, and
    a time to pay that the contract refuses.
    """
    total = on_totals(tariff) if isinstance(tariff, Tariff) else tariff
    if (total.currency == NATIVE) != (terms.asset is None):
        raise ValueError(f"a tariff in {NATIVE}, and no other, has no asset")
    if not MIN_DUE_S <= terms.due <= MAX_DUE_S:
        raise ValueError("a bill may wait for a day to 90 days")
    blocks = [
        Tuple.of(upto=UInt(block.upto), price=UInt(block.price))
        for block in total.blocks
    ]
    return Tuple(
        {
            "provider": terms.provider, "kind": UInt(_KINDS[total.kind]),
            "blocks": List(tuple(blocks)), "daily": UInt(total.daily),
            "asset": Optional(terms.asset), "due": UInt(terms.due),
            "from": UInt(total.valid_from),
        }
    )  # fmt: skip


def chain_tariff_hash(tariff: Tariff | TotalsTariff, terms: Terms) -> bytes:
    """Return the contract's name of a tariff, 32 bytes; ValueError as `chain_tariff`."""
    return hashlib.sha256(encode(chain_tariff(tariff, terms))).digest()
