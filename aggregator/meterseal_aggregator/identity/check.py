"""Invariant 11: an account is a member's only by what its own key signed.

Every link's challenge is made again from its row and the signature checked once more; a
challenge that was answered made just one link. This module must never write.
"""

from typing import Final

from meterseal_aggregator.storage.database import Row, Transaction
from meterseal_aggregator.storage.finding import Finding
from meterseal_proto.c32 import Principal
from meterseal_proto.enrolment import Genesis
from meterseal_proto.wallet import Challenge

INVARIANT: Final = 11
"""The number of the wallets' invariant in ARCHITECTURE, "What must always hold"."""

_LINKS: Final = """
SELECT w.id, c.member_id, c.principal, c.nonce, c.expires_at, w.signature, w.from_at
FROM wallets w JOIN wallet_challenges c ON c.nonce = w.nonce
  AND c.member_id = w.member_id AND c.principal = w.principal
  AND c.answered_at = w.from_at
ORDER BY w.id
"""
_COUNTS: Final = """
SELECT (SELECT count(*) FROM wallets),
  (SELECT count(*) FROM wallet_challenges WHERE answered_at IS NOT NULL)
"""


async def findings(tx: Transaction, genesis: Genesis) -> list[Finding]:
    """Say whether every link of this network stands on its signature."""
    rows = await tx.rows(_LINKS)
    ((links, answered),) = await tx.rows(_COUNTS)
    if not len(rows) == links == answered:
        detail = (
            f"{links} wallets are linked, {answered} challenges answered, {len(rows)} of"
            " them fit each other"
        )
        return [Finding(INVARIANT, ok=False, detail=detail)]
    wrong = [row[0] for row in rows if not _stands(row, genesis)]
    if wrong:
        detail = (
            f"wallet {wrong[0]} is not signed for ({len(wrong)} of {links} wallets)"
        )
        return [Finding(INVARIANT, ok=False, detail=detail)]
    detail = f"{links} wallets are linked by their own keys' signatures"
    return [Finding(INVARIANT, ok=True, detail=detail)]


def _stands(row: Row, genesis: Genesis) -> bool:
    _, member, principal, nonce, expires, signature, at = row
    try:
        account = Principal.parse(principal)
        asked = Challenge(genesis.network, member, account, nonce, expires)
    except ValueError:
        return False
    return asked.refusal(bytes(signature), genesis.chain_id, at) is None
