"""What our contracts ask of who calls them: which role, and whether they are paused.

Of the functions that a service's own accounts call; a test holds the list against the
contracts' sources. Pure. This module must never say that a call will succeed: only the
contract knows.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.stacks.outbox.accounts import ChainRole


@dataclass(frozen=True, slots=True)
class Guard:
    """Who may call, and whether that rests while the contract is paused."""

    role: ChainRole
    rests: bool = True


_ORACLE: Final = Guard(ChainRole.ORACLE)
GUARDS: Final[Mapping[str, Guard]] = {
    "energy-oracle.anchor": _ORACLE,
    "energy-oracle.confirm-delivery": _ORACLE,
    "energy-token.mint": _ORACLE,
    "energy-token.post-epoch": _ORACLE,
    "energy-token.reverse": _ORACLE,
    "energy-token.set-token-uri": Guard(ChainRole.OPERATOR, rests=False),
    "producer-certification.certify-producer": Guard(ChainRole.CERTIFIER),
    "producer-certification.record-production": _ORACLE,
    "producer-certification.revoke-certification": Guard(
        ChainRole.CERTIFIER, rests=False
    ),
    "reputation.record-meter-document": _ORACLE,
    "usage-aggregation.post-set": Guard(ChainRole.OPERATOR),
    "user-registry.bind-meter": Guard(ChainRole.REGISTRAR),
    "user-registry.replace-meter-key": Guard(ChainRole.REGISTRAR, rests=False),
    "user-registry.verify-user": Guard(ChainRole.REGISTRAR, rests=False),
    "utility-token.set-token-uri": Guard(ChainRole.OPERATOR, rests=False),
}
"""By `CONTRACT.FUNCTION`."""
